"""saq with 100 jobs at once; a job stays in its list of active ones until its result is stored, which is its
at-least-once. Results live for a day; it tells who waits by Pub/Sub. Many are published by concurrent calls."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

from saq import Job, Queue, Worker
from saq.job import Status

from tally import handle

REQUIREMENTS = ("saq[redis]==0.26.4", "typing-extensions", "hiredis>=3.4")


async def bench(context: dict, *, payload: dict) -> int:  # noqa: ARG001 - its signature
    return await handle(payload)


async def _work(slots: int) -> None:
    queue = Queue.from_url(os.environ["REDIS_URL"])
    await queue.connect()
    await Worker(queue, [bench], concurrency=slots).start()


def work(slots: int) -> None:
    asyncio.run(_work(slots))


class Client:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def publish(self, payload: dict) -> Job:
        return await self._queue.enqueue("bench", payload=payload, ttl=86_400, timeout=0)

    async def publish_together(self, payloads: list[dict]) -> list[Job]:
        return await asyncio.gather(*map(self.publish, payloads))

    async def result(self, task: Job) -> object:
        ends_at = time.monotonic() + 60
        await task.refresh()
        while task.status is not Status.COMPLETE:
            if time.monotonic() > ends_at:
                raise TimeoutError(task.key)
            with contextlib.suppress(TimeoutError):
                await task.refresh(until_complete=1.0)
        return task.result


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    queue = Queue.from_url(os.environ["REDIS_URL"])
    await queue.connect()
    yield Client(queue)
    await queue.disconnect()
