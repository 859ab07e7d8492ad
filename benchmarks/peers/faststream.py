"""FastStream on Redis streams with a consumer group, which is its at-least-once; 100 workers (`max_workers`) and reads
of 100. It keeps no results: the handler writes one key with an expiry through the same client, as its users do, and who
waits asks each millisecond. Many are published by its pipeline."""

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator

import orjson
from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, StreamSub
from redis.asyncio import BlockingConnectionPool, Redis

from tally import handle

REQUIREMENTS = ("faststream[redis]==0.7.8", "hiredis>=3.4", "orjson>=3.11")
STREAM, GROUP = "bench-tasks", "workers"
_EXPIRES_SECONDS = 86_400


def work(slots: int) -> None:
    broker = RedisBroker(os.environ["REDIS_URL"], logger=None)
    results = _results()
    subscription = StreamSub(STREAM, group=GROUP, consumer="one", max_records=100, polling_interval=10, last_id=">")

    @broker.subscriber(stream=subscription, max_workers=slots, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def bench(message: dict) -> None:
        value = await handle(message["payload"])
        await results.set(f"result:{message['id']}", orjson.dumps(value), ex=_EXPIRES_SECONDS)

    asyncio.run(FastStream(broker, logger=None).run())


def _results() -> Redis:
    """A client that waits for a connection: by default, a write that finds all hundred in use fails, and its task's
    result is lost."""
    url = os.environ["REDIS_URL"]
    return Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=100, timeout=None))


class Client:
    def __init__(self, broker: RedisBroker, results: Redis) -> None:
        self._broker = broker
        self._results = results

    async def publish(self, payload: dict) -> str:
        task_id = str(uuid.uuid4())
        await self._broker.publish({"id": task_id, "payload": payload}, stream=STREAM)
        return task_id

    async def publish_together(self, payloads: list[dict]) -> list[str]:
        ids = [str(uuid.uuid4()) for _ in payloads]
        async with self._results.pipeline(transaction=False) as pipeline:
            for task_id, payload in zip(ids, payloads, strict=True):
                await self._broker.publish({"id": task_id, "payload": payload}, stream=STREAM, pipeline=pipeline)
            await pipeline.execute()
        return ids

    async def result(self, task: str) -> object:
        ends_at = time.monotonic() + 60
        while (found := await self._results.get(f"result:{task}")) is None:
            if time.monotonic() > ends_at:
                raise TimeoutError(task)
            await asyncio.sleep(0.001)
        return orjson.loads(found)


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    results = _results()
    with contextlib.suppress(Exception):  # the group may be there already
        await results.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    async with RedisBroker(os.environ["REDIS_URL"], logger=None) as broker:
        yield Client(broker, results)
