"""The earlier project of this name, with redis-py 6 (its calls fail with later ones), 100 consumers, and streams that
hold a million entries: its default silently drops all but the last 10,000 tasks."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import AsyncIterator

os.environ.setdefault("STORAGE_BACKEND", "redis")

from omnidaemon.event_bus.redis_stream_bus import RedisStreamEventBus
from omnidaemon.schemas import AgentConfig, EventEnvelope, PayloadBase, SubscriptionConfig
from omnidaemon.sdk import OmniDaemonSDK
from omnidaemon.storage.redis_store import RedisStore
from redis.asyncio import Redis

from tally import handle

REQUIREMENTS = ("omnidaemon==0.1.1", "redis<7", "hiredis>=3.4")
TOPIC = "bench.tasks"


def _sdk() -> OmniDaemonSDK:
    store = RedisStore(redis_url=os.environ["REDIS_URL"])
    bus = RedisStreamEventBus(redis_url=os.environ["REDIS_URL"], default_maxlen=1_000_000, store=store)
    return OmniDaemonSDK(event_bus=bus, store=store)


async def _handle(message: dict) -> dict:
    return {"number": await handle(message["content"])}


async def _work(slots: int) -> None:
    sdk = _sdk()
    config = AgentConfig(
        name="bench", topic=TOPIC, callback=_handle, config=SubscriptionConfig(consumer_count=min(slots, 100))
    )
    await sdk.register_agent(config)
    await sdk.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def work(slots: int) -> None:
    logging.disable(logging.INFO)
    asyncio.run(_work(slots))


class Client:
    def __init__(self, sdk: OmniDaemonSDK) -> None:
        self._sdk = sdk

    async def publish(self, payload: dict) -> str:
        return await self._sdk.publish_task(EventEnvelope(topic=TOPIC, payload=PayloadBase(content=payload)))

    async def publish_together(self, payloads: list[dict]) -> list[str]:
        return await asyncio.gather(*map(self.publish, payloads))

    async def result(self, task: str) -> object:
        """It has no way to wait, so it is asked each millisecond."""
        ends_at = time.monotonic() + 60
        while (found := await self._sdk.get_result(task)) is None:
            if time.monotonic() > ends_at:
                raise TimeoutError(task)
            await asyncio.sleep(0.001)
        return found["result"]["number"] if "result" in found else found["number"]

    async def listing(self, count: int) -> int:
        return len(await self._sdk.list_results(limit=count))


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    logging.disable(logging.INFO)
    redis = Redis.from_url(os.environ["REDIS_URL"])
    # Its worker makes the group for what comes later alone: what is published before would never be read.
    await redis.xgroup_create(f"omni-stream:{TOPIC}", f"group:{TOPIC}:bench", "0", mkstream=True)
    await redis.aclose()
    yield Client(_sdk())
