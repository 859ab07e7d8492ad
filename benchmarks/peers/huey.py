"""huey on a SQLite file with one process of 8 threads, looking for work at least every 10 ms, `fsync` on as
OmniDaemon's file has it. It keeps results until they are read. It takes a task out of the file before it runs it: at
most once, which is less than all others here promise."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator

from huey import SqliteHuey
from huey.api import Result

from tally import handle_in_thread

REQUIREMENTS = ("huey==3.5.4",)

app = SqliteHuey("bench", filename=os.environ.get("BENCH_FILE", ":memory:"), fsync=True)


@app.task(name="bench")
def bench(payload: dict) -> int:
    return handle_in_thread(payload)


def work(slots: int) -> None:  # noqa: ARG001 - its threads are its own measure
    from huey.bin.huey_consumer import consumer_main

    sys.argv = ["huey", "peers.huey.app", "--workers", "8", "--worker-type", "thread", "--delay", "0.01", "--quiet"]
    consumer_main()


class Client:
    async def publish(self, payload: dict) -> Result:
        return bench(payload)

    async def publish_together(self, payloads: list[dict]) -> list[Result]:
        return [bench(payload) for payload in payloads]

    async def result(self, task: Result) -> object:
        ends_at = time.monotonic() + 60
        while (found := task.get(preserve=True)) is None:
            if time.monotonic() > ends_at:
                raise TimeoutError(task.id)
            await asyncio.sleep(0.001)
        return found


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    yield Client()
