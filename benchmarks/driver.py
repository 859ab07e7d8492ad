"""Runs one peer's worker, or its client, in the peer's own environment. Standard library only.

`driver.py PEER worker` works until it is told to stop. `driver.py PEER client` obeys lines of JSON and answers each
with one: `{"do": "publish", "how": "one by one" | "gathered" | "many", "count", "first", "seconds"}` → `{"seconds"}`,
`{"do": "check", "count"}` → `{"checked"}`, `{"do": "latency", "count"}` → `{"seconds": […]}`,
`{"do": "steady", "rate", "seconds"}` → `{"published", "seconds", "latencies": […]}`, `{"do": "listing", "count"}` →
`{"listed", "seconds"}`, and `{"do": "start"}` → `{}`, after which it works itself. `driver.py PEER api` serves HTTP;
`driver.py PEER http` is a client of that one, with the orders of `http_load.py`.
"""

import asyncio
import contextlib
import importlib
import json
import os
import sys
import time

PAYLOAD_BYTES = 300
SLOTS = "BENCH_SLOTS"
_LARGE = "x" * int(os.environ.get("BENCH_RESULT_BYTES", "0"))
_PATIENCE_SECONDS = 60.0
_GATHERED = 100
_TICK_SECONDS = 0.01
_LISTED_TIMES = 3


def payload_of(number: int, seconds: float) -> dict:
    """A payload of 300 bytes as JSON."""
    payload = {"number": number, "seconds": seconds, "text": ""}
    payload["text"] = "x" * (PAYLOAD_BYTES - len(json.dumps(payload, separators=(",", ":"))))
    return payload


class Orders:
    """What the client was told to publish, and how it is asked for."""

    def __init__(self, client) -> None:
        self._client = client
        self._tasks: list = []

    async def publish(self, how: str, count: int, first: int = 0, seconds: float = 0.0) -> dict:
        """Publish so many tasks; how long that took."""
        payloads = [payload_of(first + number, seconds) for number in range(count)]
        started = time.perf_counter()
        if how == "one by one":
            tasks = [await self._client.publish(payload) for payload in payloads]
        elif how == "gathered":
            tasks = []
            for at in range(0, count, _GATHERED):
                tasks += await asyncio.gather(*map(self._client.publish, payloads[at : at + _GATHERED]))
        else:
            tasks = await self._client.publish_together(payloads)
        self._tasks += zip((payload["number"] for payload in payloads), tasks, strict=True)
        return {"seconds": time.perf_counter() - started}

    async def check(self, count: int) -> dict:
        """Whether results are stored and right: of so many tasks, spread over all that were published."""
        step = max(1, len(self._tasks) // count)
        chosen = [*self._tasks[::step], self._tasks[-1]]
        for number, task in chosen:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                result = await self._client.result(task)
            if result not in (number, _LARGE):
                raise ValueError(f"task {task} came to {result!r}, not {number}")
        return {"checked": len(chosen)}

    async def latency(self, count: int) -> dict:
        """How long it takes from before a publish to the result, one task at a time."""
        seconds = []
        for number in range(count):
            started = time.perf_counter()
            result = await self._client.result(await self._client.publish(payload_of(number, 0.0)))
            seconds.append(time.perf_counter() - started)
            if result not in (number, _LARGE):
                raise ValueError(f"a task came to {result!r}, not {number}")
            await asyncio.sleep(0.005)
        return {"seconds": seconds}

    async def steady(self, rate: float, seconds: float) -> dict:
        """Publish at this rate, in a call for each hundredth of a second, or for several where one took longer; how
        long it took from when each call was due, whether or not it could be made then, to the result of its first
        task."""
        waits = []
        published = tick = 0
        ticks = round(seconds / _TICK_SECONDS)
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while tick < ticks:
                due_at = started + (tick + 1) * _TICK_SECONDS
                await asyncio.sleep(due_at - time.perf_counter())
                tick = max(tick + 1, int((time.perf_counter() - started) / _TICK_SECONDS))
                count = int(rate * tick * _TICK_SECONDS) - published
                if count > 0:
                    payloads = [payload_of(published + number, 0.0) for number in range(count)]
                    first, *_ = await self._client.publish_together(payloads)
                    waits.append(group.create_task(self._waited(first, published, due_at)))
                    published += count
            spent = time.perf_counter() - started
        return {"published": published, "seconds": spent, "latencies": [wait.result() for wait in waits]}

    async def _waited(self, task, number: int, due_at: float) -> float:
        result = await self._client.result(task)
        if result != number:
            raise ValueError(f"task {task} came to {result!r}, not {number}")
        return time.perf_counter() - due_at

    async def listing(self, count: int) -> dict:
        """How long it takes to list so many results, the median of a few times."""
        spent = []
        for _ in range(_LISTED_TIMES):
            started = time.perf_counter()
            listed = await self._client.listing(count)
            spent.append(time.perf_counter() - started)
        return {"listed": listed, "seconds": sorted(spent)[_LISTED_TIMES // 2]}

    async def start(self) -> dict:
        """Work in this process too, from now on."""
        await self._client.start()
        return {}


async def obey(opened) -> None:
    """Take orders until there are no more."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        orders = await stack.enter_async_context(opened)
        print(json.dumps({"ready": True}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            print(json.dumps(await getattr(orders, order.pop("do"))(**order)), flush=True)


@contextlib.asynccontextmanager
async def orders_of(peer):
    """What a peer's client is told."""
    async with peer.client() as client:
        yield Orders(client)


def main() -> None:
    """By the command line."""
    name, part = sys.argv[1:3]
    peer = importlib.import_module(f"peers.{name}")
    if part == "worker":
        peer.work(int(os.environ[SLOTS]))
    elif part == "client":
        asyncio.run(obey(orders_of(peer)))
    else:
        import http_load  # what follows is measured of OmniDaemon alone

        http_load.allow_many_connections()
        if part == "api":
            peer.serve()
        else:
            asyncio.run(obey(http_load.HttpOrders()))


if __name__ == "__main__":
    main()
