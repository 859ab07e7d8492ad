"""Removing an agent: what becomes of what waits for it, and who keeps it from going."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon.app.control import Control
from omnidaemon.domain.errors import AgentBusy, AgentInUse, AgentNotFound, InvalidName, InvalidValue
from omnidaemon.domain.names import Subscription
from omnidaemon.testing.clock import ManualClock
from tests.unit.app.faults import broken
from tests.unit.app.workshop import TOPIC, Workshop, agent_of, declared

GREETER, HEIR = Subscription(TOPIC, "greeter"), Subscription(TOPIC, "heir")
STRANGER = Subscription(TOPIC, "stranger")


def waiting_for(shop: Workshop, subscription: Subscription) -> int:
    return len(shop.space.bus.queues.get(subscription, ()))


async def test_a_removed_agent_drops_what_waits_for_it_and_answers_for_nothing_more(shop: Workshop):
    """Its tasks end with the others."""
    await declared(shop, "greeter", "heir")
    task_id = await shop.publish("x")
    assert await shop.control.remove(GREETER) == 0
    assert GREETER not in shop.space.bus.queues
    assert await shop.control.all_agents() == [HEIR]
    await shop.start(agent_of(lambda payload: payload, "heir"))
    assert (await shop.ended(task_id)).status == "succeeded"


async def test_what_waits_goes_to_the_heir_and_is_executed_once(shop: Workshop):
    """Also by a heir that had the same tasks already."""
    await declared(shop, "greeter")
    old = await shop.publish("old")
    await declared(shop, "heir")
    both = await shop.publish("both")
    calls: list[object] = []
    assert await shop.control.remove(GREETER, "heir") == 2
    assert waiting_for(shop, GREETER) == 0
    await shop.start(agent_of(calls.append, "heir"))
    for task_id in (old, both):
        assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
    assert sorted(map(str, calls)) == ["both", "old"]


async def test_more_than_a_batch_is_handed_over(shop: Workshop):
    """All of it."""
    await declared(shop, "greeter", "heir")
    for number in range(450):
        await shop.publish(number)
    assert await shop.control.remove(GREETER, "heir") == 450
    assert sum(run.subscription == HEIR for run in shop.space.runs.values()) == 450


async def test_a_hand_over_that_fails_in_the_middle_can_be_done_again(shop: Workshop):
    """What was taken and not acked is given back; the agent stays, stopped, until all of it is over."""
    await declared(shop, "greeter", "heir")
    for number in range(3):
        await shop.publish(number)
    shop.runs.fail("begin", error=broken)
    with pytest.raises(type(broken())):
        await shop.control.remove(GREETER, "heir")
    assert waiting_for(shop, GREETER) == 3
    assert shop.space.agents[GREETER].is_stopped
    assert await shop.control.remove(GREETER, "heir") == 3


async def removed(shop: Workshop, heir: str) -> int:
    """What the removal answers, once every worker has had a heartbeat since it was ordered."""
    removing = asyncio.ensure_future(shop.control.remove(GREETER, heir, force=True))
    while not removing.done():
        await shop.pass_time(0.5)
    return removing.result()


async def test_a_busy_agent_is_stopped_but_not_replaced(shop: Workshop):
    """What it executes may end well; once it has, the heir gets the rest."""
    goes_on = asyncio.Event()

    async def handler(payload):
        await goes_on.wait()
        return payload

    await declared(shop, "heir")
    worker = await shop.start(agent_of(handler))
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.space.running)
    with pytest.raises(AgentBusy, match="executing 1 run"):
        await removed(shop, "heir")
    goes_on.set()
    await shop.until(lambda: not shop.space.running)
    assert await removed(shop, "heir") == 0
    await worker.stop()
    (run,) = (run for run in shop.space.runs.values() if run.subscription == GREETER)
    assert (run.task_id, run.state) == (task_id, "succeeded")


@pytest.mark.parametrize("heir", [None, "heir"])
async def test_an_agent_that_live_workers_run_is_not_removed(shop: Workshop, heir):
    """Each of their starts would bring it back; once they have left, or are taken for dead, nothing does."""
    await declared(shop, "heir")
    first = await shop.start(agent_of(len))
    await shop.start(agent_of(len), incarnation="w2")
    with pytest.raises(AgentInUse, match=r"2 live workers run agent 'greeter' on topic 'greet\.user'"):
        await shop.control.remove(GREETER, heir)
    assert not shop.space.agents[GREETER].is_stopped
    await first.stop()
    with pytest.raises(AgentInUse, match="a live worker runs"):
        await shop.control.remove(GREETER, heir)
    shop.registry.go_away("beat")  # it was killed
    await shop.pass_time(12.0, step=1.0)
    assert await shop.control.remove(GREETER, heir) == 0
    assert await shop.control.all_agents() == [HEIR]


async def test_workers_are_waited_for_whatever_the_clock_here_says(shop: Workshop):
    """Heartbeats are dated by the store's clock; one here that is behind it takes old ones for new."""
    await declared(shop, "heir")
    await shop.start(agent_of(len))
    await shop.pass_time(2.0)
    behind = ManualClock(at=shop.clock.now().at - timedelta(hours=1))
    control = Control(bus=shop.as_bus, storage=shop.storage, clock=behind, ids=shop.ids, telemetry=shop.says)
    removing = asyncio.ensure_future(control.remove(GREETER, "heir", force=True))
    for _ in range(5):
        behind.advance(0.1)
        await shop.rest()
    assert not removing.done(), "no heartbeat came since"
    for _ in range(30):
        behind.advance(0.1)
        await shop.pass_time(0.1, step=0.1)
    assert removing.result() == 0


@pytest.mark.parametrize(
    ("agent", "heir", "error"),
    [
        (STRANGER, None, AgentNotFound),
        (GREETER, "stranger", AgentNotFound),
        (GREETER, "greeter", InvalidValue),
        (GREETER, "bad name", InvalidName),
    ],
)
async def test_a_removal_that_makes_no_sense_changes_nothing(shop: Workshop, agent, heir, error):
    """An unknown agent, an unknown heir, or the agent itself."""
    await declared(shop, "greeter", "heir")
    await shop.publish("x")
    with pytest.raises(error):
        await shop.control.remove(agent, heir)
    assert waiting_for(shop, GREETER) == 1
    assert not shop.space.agents[GREETER].is_stopped


async def test_a_worker_stops_an_agent_that_was_removed(shop: Workshop):
    """It hears of it by its heartbeat, says so once, and cancels what runs."""
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(payload):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await shop.start(agent_of(handler))
    await shop.publish("x")
    await asyncio.wait_for(began.wait(), 5)
    await shop.control.remove(GREETER, force=True)
    await shop.pass_time(9.0)
    assert cancelled.is_set()
    assert len(shop.says.having("greet.user/greeter was removed")) == 1
