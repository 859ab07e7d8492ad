"""Runs one peer's worker, or its client, in the peer's own environment. Standard library only.

`driver.py PEER worker` works until it is told to stop. `driver.py PEER client` obeys lines of JSON and answers each
with one: `{"do": "publish", "how": "one by one" | "gathered" | "many", "count", "first", "seconds"}` → `{"seconds"}`,
`{"do": "check", "count"}` → `{"checked"}`, `{"do": "latency", "count"}` → `{"seconds": […]}`.
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


async def obey(peer) -> None:
    """Take orders until there are no more."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        orders = Orders(await stack.enter_async_context(peer.client()))
        print(json.dumps({"ready": True}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            print(json.dumps(await getattr(orders, order.pop("do"))(**order)), flush=True)


def main() -> None:
    """By the command line."""
    name, part = sys.argv[1:3]
    peer = importlib.import_module(f"peers.{name}")
    if part == "worker":
        peer.work(int(os.environ[SLOTS]))
    else:
        asyncio.run(obey(peer))


if __name__ == "__main__":
    main()
