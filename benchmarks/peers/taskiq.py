"""taskiq with its stream broker, the one that acknowledges, after the task (`WHEN_SAVED`), reads of 100, 100 tasks at
once; results by its Redis backend with an expiry, asked for each millisecond."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

from taskiq.acks import AcknowledgeType
from taskiq.api import run_receiver_task
from taskiq.task import AsyncTaskiqTask
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tally import handle

REQUIREMENTS = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis>=3.4", "orjson>=3.11")

_URL = os.environ.get("REDIS_URL", "")
broker = RedisStreamBroker(url=_URL, consumer_id="0", xread_count=100).with_result_backend(
    RedisAsyncResultBackend(redis_url=_URL, result_ex_time=86_400)
)


@broker.task(task_name="bench")
async def bench(payload: dict) -> int:
    return await handle(payload)


async def _work(slots: int) -> None:
    await broker.startup()
    receiving = asyncio.ensure_future(
        run_receiver_task(broker, max_async_tasks=slots, ack_time=AcknowledgeType.WHEN_SAVED)
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    receiving.cancel()
    await asyncio.wait([receiving])


def work(slots: int) -> None:
    asyncio.run(_work(slots))


class Client:
    async def publish(self, payload: dict) -> AsyncTaskiqTask:
        return await bench.kiq(payload)

    async def publish_together(self, payloads: list[dict]) -> list[AsyncTaskiqTask]:
        """It has no way to publish many at once: by concurrent calls, a hundred at a time."""
        tasks: list[AsyncTaskiqTask] = []
        for at in range(0, len(payloads), 100):
            tasks += await asyncio.gather(*map(self.publish, payloads[at : at + 100]))
        return tasks

    async def result(self, task: AsyncTaskiqTask) -> object:
        return (await task.wait_result(check_interval=0.001, timeout=60)).return_value


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    await broker.startup()
    yield Client()
    await broker.shutdown()
