"""dramatiq with one process of 8 threads, its default, without Prometheus; it acknowledges after the task. Results by
its Redis backend, which waits for them by a blocking pop. It has no way to publish many at once."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import default_middleware
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from tally import handle_in_thread

REQUIREMENTS = ("dramatiq[redis]==2.2.1", "hiredis>=3.4")

_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1")
_KEPT = [kind() for kind in default_middleware if kind.__name__ != "Prometheus"]
dramatiq.set_broker(RedisBroker(url=_URL, middleware=[*_KEPT, Results(backend=RedisBackend(url=_URL))]))


@dramatiq.actor(store_results=True, result_ttl=86_400_000)
def bench(payload: dict) -> int:
    return handle_in_thread(payload)


def work(slots: int) -> None:  # noqa: ARG001 - its threads are its own measure
    command = [sys.executable, "-m", "dramatiq", "peers.dramatiq", "--processes", "1", "--threads", "8"]
    os.execv(sys.executable, command)  # noqa: S606 - so that the worker is this process


class Client:
    async def publish(self, payload: dict) -> dramatiq.Message:
        return bench.send(payload)

    async def publish_together(self, payloads: list[dict]) -> list[dramatiq.Message]:
        return [bench.send(payload) for payload in payloads]

    async def result(self, task: dramatiq.Message) -> object:
        return task.get_result(block=True, timeout=60_000)


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    yield Client()
