"""Celery with one worker of 8 threads, 64 tasks prefetched for each, no events, no gossip; `acks_late` is its
at-least-once. Results by its Redis backend, which tells who waits by Pub/Sub. It has no way to publish many at once."""

import contextlib
import os
from collections.abc import AsyncIterator

from celery import Celery
from celery.result import AsyncResult

from tally import handle_in_thread

REQUIREMENTS = ("celery[redis]==5.7.0", "hiredis>=3.4")

_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1")
app = Celery("bench", broker=_URL, backend=_URL)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    result_expires=86_400,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench")
def bench(payload: dict) -> int:
    return handle_in_thread(payload)


def work(slots: int) -> None:  # noqa: ARG001 - its threads are its own measure
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    app.worker_main(["worker", "--pool", "threads", "--concurrency", "8", *quiet])


class Client:
    async def publish(self, payload: dict) -> AsyncResult:
        return bench.delay(payload)

    async def publish_together(self, payloads: list[dict]) -> list[AsyncResult]:
        return [bench.delay(payload) for payload in payloads]

    async def result(self, task: AsyncResult) -> object:
        return task.get(timeout=60, interval=0.001)


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    yield Client()
