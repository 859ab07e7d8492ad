"""The agents that the worker processes of these tests run. Each logs what it does in lines that survive a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK

sdk = OmniDaemonSDK()
log = os.open(os.environ["AGENT_LOG"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
lease = float(os.environ.get("AGENT_LEASE", "2"))
policy = DeliveryPolicy(lease=lease, backoff=0.05)


def note(word: str, ctx: Context) -> None:
    os.write(log, f"{word} {ctx.task_id} {ctx.agent} {os.getpid()} {ctx.attempt} {time.time()}\n".encode())


@sdk.agent("greet.user")
async def greeter(payload: dict[str, str]) -> dict[str, str]:
    return {"reply": f"Hello, {payload['name']}!"}


@sdk.agent("fail", policy=DeliveryPolicy(max_attempts=3, backoff=0.3, backoff_factor=2, jitter=0))
async def failing(payload: str, ctx: Context) -> str:
    """Fails until there is a file of this name."""
    note("try", ctx)
    if not Path(payload).exists():  # noqa: ASYNC240 - one look, which takes no time
        raise FileNotFoundError(payload)
    return "mended"


@sdk.agent("work", policy=policy, concurrency=150)
async def worker(payload: dict[str, Any], ctx: Context) -> int:
    note("start", ctx)
    await asyncio.sleep(payload["seconds"])
    note("end", ctx)
    return int(payload["n"])


@sdk.agent("pair", name="left", policy=policy, concurrency=20)
async def left(payload: int, ctx: Context) -> int:
    note("left", ctx)
    await asyncio.sleep(0.005)
    return payload


@sdk.agent("pair", name="right", policy=policy, concurrency=20)
def right(payload: int, ctx: Context) -> int:
    note("right", ctx)
    time.sleep(0.005)
    return payload


@sdk.agent("block", policy=policy)
async def blocker(payload: dict[str, Any], ctx: Context) -> str:
    note("start", ctx)
    if payload["how"] == "sleep":
        time.sleep(payload["seconds"])  # noqa: ASYNC251 - that it blocks is the point
    else:
        until = time.monotonic() + payload["seconds"]
        while time.monotonic() < until:
            pass
    note("end", ctx)
    return "done"


@sdk.agent("mixed", policy=policy, concurrency=50)
async def mixed(payload: dict[str, Any], ctx: Context) -> str:
    note("start", ctx)
    if payload.get("poison"):
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0.2)
    return "good"


if __name__ == "__main__":
    sdk.run()
