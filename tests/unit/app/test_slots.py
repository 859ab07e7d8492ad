"""Slots are filled once, although fresh tasks and due runs are asked for side by side."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.testing.worker import ScriptedWorker
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


@pytest.fixture
async def let_go():
    event = asyncio.Event()
    yield event
    event.set()


async def give_back(shop: Workshop, count: int) -> None:
    """Runs that another worker has begun and given back: due, and everybody hears of it."""
    other = ScriptedWorker(shop.runs._port, "other")
    at = shop.clock.now().at
    tasks = [Task(task_id=f"due-{number}", topic=TOPIC, payload=b"1", created_at=at) for number in range(count)]
    await other.release(*[await other.begun(task, GREETER) for task in tasks])


@pytest.mark.parametrize("slow", ["begin", "claim_due"])
async def test_fresh_and_due_work_do_not_fill_the_same_slots(shop: Workshop, let_go: asyncio.Event, slow: str):
    """Whichever of the two calls on the store takes its time, the other counts what is free afterwards."""
    seen: list[object] = []

    async def handler(payload):
        seen.append(payload)
        await let_go.wait()

    await shop.start(agent_of(handler, concurrency=3))
    await shop.pass_time(1.0)
    answered = shop.runs.hold(slow)
    if slow == "begin":
        for number in range(3):
            await shop.publish(number)
        await give_back(shop, 3)
    else:
        await give_back(shop, 3)
        await shop.pass_time(1.0)
        for number in range(3):
            await shop.publish(number)
    await shop.pass_time(6.0)
    answered.set()
    await shop.pass_time(2.0)
    assert len(seen) == 3
