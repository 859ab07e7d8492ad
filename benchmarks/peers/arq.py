"""arq with 100 jobs at once, looking for work every 10 ms instead of every half second; a job leaves the queue once its
result is stored, which is its at-least-once. Results live for a day and are asked for each millisecond."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.jobs import Job
from arq.worker import Worker

from tally import handle

REQUIREMENTS = ("arq==0.28.0", "hiredis>=3.4")


async def bench(context: dict, payload: dict) -> int:  # noqa: ARG001 - its signature
    return await handle(payload)


def work(slots: int) -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
    Worker([bench], redis_settings=settings, max_jobs=slots, poll_delay=0.01, keep_result=86_400).run()


class Client:
    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def publish(self, payload: dict) -> Job:
        return await self._pool.enqueue_job("bench", payload)

    async def publish_together(self, payloads: list[dict]) -> list[Job]:
        """It has no way to publish many at once: by concurrent calls, a hundred at a time."""
        tasks: list[Job] = []
        for at in range(0, len(payloads), 100):
            tasks += await asyncio.gather(*map(self.publish, payloads[at : at + 100]))
        return tasks

    async def result(self, task: Job) -> object:
        return await task.result(timeout=60, poll_delay=0.001)


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    pool = await create_pool(RedisSettings.from_dsn(os.environ["REDIS_URL"]))
    yield Client(pool)
    await pool.aclose()
