"""A worker process: agents that answer, and a chain of five over replies and tasks of their own.

With NEVER_TELLS it ends runs and tells nobody, as one that is killed in between.
"""

from __future__ import annotations

import asyncio
import os

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK
from omnidaemon.app.notifications import Notifications

sdk = OmniDaemonSDK()
POLICY = DeliveryPolicy(lease=1.0, crash_limit=1000, backoff=0.05)


@sdk.agent("echo", policy=POLICY)
async def echo(payload: object) -> object:
    return payload


@sdk.agent("t1", policy=POLICY)
async def first(payload: int) -> list[object]:
    await asyncio.sleep(0.01)
    return [payload, "first"]


@sdk.agent("t2", policy=POLICY)
async def second(answer: dict[str, list[object]], ctx: Context) -> None:
    trail = [*answer["result"], "second"]
    await ctx.publish("t3", trail, reply_to="t4", idempotency_key=f"{trail[0]}")


@sdk.agent("t3", policy=POLICY)
async def third(trail: list[object]) -> list[object]:
    await asyncio.sleep(0.01)
    return [*trail, "third"]


@sdk.agent("t4", policy=POLICY)
async def fourth(answer: dict[str, list[object]], ctx: Context) -> None:
    trail = [*answer["result"], "fourth"]
    await ctx.publish("t5", trail, idempotency_key=f"{trail[0]}")


@sdk.agent("t5", policy=POLICY)
async def fifth(trail: list[object]) -> list[object]:
    return [*trail, "fifth"]


if os.environ.get("NEVER_TELLS"):

    async def rest(self: Notifications) -> None:
        await asyncio.Event().wait()

    Notifications.run = rest  # type: ignore[method-assign]  # whoever is to be killed tells nobody anything
