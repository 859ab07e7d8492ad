"""Replies: chains of agents under kill -9, and circles that end."""

from __future__ import annotations

import asyncio
import random
from typing import cast

import pytest

from omnidaemon import Context
from omnidaemon.domain.result import TaskResult
from omnidaemon.testing.patience import eventually
from tests.integration.webhooks.conftest import Site

pytestmark = pytest.mark.timeout(400)  # many processes, on a machine that may be busy

CHAINS = 60
KILLS = 5


async def test_each_chain_of_five_comes_to_one_result_under_kill_9(site: Site) -> None:
    """publisher → t1, reply to t2 → t3 under a key, reply to t4 → t5 under a key, while workers are killed."""
    sdk = site.sdk()
    chance = random.Random(11)
    workers = [site.worker(), site.worker()]
    await sdk.publish_tasks([("t1", n) for n in range(CHAINS)], reply_to="t2")

    async def finals() -> list[TaskResult]:
        await asyncio.sleep(0.1)
        return [*(await sdk.list_tasks(topic="t5", limit=1000)).results]

    for _ in range(KILLS):
        await eventually(sdk.list_workers, lambda found: any(worker.is_alive for worker in found), 60)
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        workers.pop(0).kill()
        workers.append(site.worker())
    done = await eventually(
        finals, lambda found: len(found) == CHAINS and all(task.status == "succeeded" for task in found), 100
    )
    await asyncio.sleep(1.0)  # what would come twice has the time to come
    assert len(await finals()) == CHAINS
    trails = sorted(cast("list[object]", task.result) for task in done)
    assert trails == [[number, "first", "second", "third", "fourth", "fifth"] for number in range(CHAINS)]
    await sdk.close()


async def test_a_circle_of_replies_ends_and_says_so(site: Site) -> None:
    """At the limit that is set, in the list of webhooks."""
    site.environ["OMNIDAEMON_REPLY_HOPS_MAX"] = "4"
    sdk = site.sdk()
    asked: list[int] = []

    @sdk.agent("ping")
    async def ping(payload: object, ctx: Context) -> None:
        asked.append(ctx.task.hops)
        await ctx.publish("pong", None, reply_to="ping")

    @sdk.agent("pong")
    async def pong(payload: object) -> str:
        return "pong"

    async with sdk:
        await sdk.publish_task("ping", None)
        page = await eventually(lambda: sdk.list_webhooks(status="failed"), lambda page: page.webhooks, 30)
        await asyncio.sleep(0.5)
    (entry,) = page.webhooks
    assert asked == [0, 1, 2, 3, 4]
    assert entry.reason == (
        "the chain of replies is longer than 4 (OMNIDAEMON_REPLY_HOPS_MAX): does it go in a circle?"
    )
    assert entry.attempts[0].error == entry.reason
