"""What people order of agents, how workers hear of it, and which pairs of bus and store there may be."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from omnidaemon.app.custody import Custody
from omnidaemon.app.pairing import mismatch
from omnidaemon.app.presence import Presence
from omnidaemon.domain.agent import DesiredState, WorkerReport
from omnidaemon.domain.errors import (
    AgentNotFound,
    BackendUnavailable,
    WorkerNotFound,
)
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import BusCapabilities
from omnidaemon.ports.registry import AgentRegistry
from omnidaemon.ports.storage import StorageCapabilities
from tests.unit.app.faults import Faulty, broken
from tests.unit.app.workshop import TOPIC, Workshop, agent_of, declared

GREETER, HEIR = Subscription(TOPIC, "greeter"), Subscription(TOPIC, "heir")
STRANGER = Subscription(TOPIC, "stranger")


async def test_all_agents_can_be_named(shop: Workshop):
    """For `start --all` and its like."""
    await declared(shop, "heir", "greeter")
    assert await shop.control.all_agents() == [GREETER, HEIR]


@pytest.mark.parametrize("order", ["start", "stop"])
async def test_an_unknown_agent_is_an_error_and_nothing_is_changed(shop: Workshop, order):
    """Neither are the known ones of the same call."""
    await declared(shop, "greeter")
    with pytest.raises(AgentNotFound):
        await getattr(shop.control, order)([GREETER, STRANGER])
    assert not shop.space.agents[GREETER].is_stopped


async def test_stop_and_start_ten_thousand_times_lose_and_skip_nothing(shop: Workshop):
    """Whatever the worker hears of it."""
    calls: list[object] = []
    await shop.start(agent_of(calls.append))
    task_ids = []
    for number in range(10_000):
        await shop.control.stop([GREETER])
        await shop.control.start([GREETER])
        if number % 500 == 0:
            task_ids.append(await shop.publish(number))
            await shop.pass_time(0.3)
    for task_id in task_ids:
        assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
    assert len(calls) == 20


# --- draining and purging ---------------------------------------------------------------------------------------------


async def test_a_drained_worker_finishes_what_it_runs_and_leaves(shop: Workshop):
    """Another one takes what comes in meanwhile; nothing is given back."""
    let_go = asyncio.Event()

    async def slow(payload):
        await let_go.wait()
        return payload

    worker = await shop.start(agent_of(slow))
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.state(task_id) == "running")
    assert await shop.control.all_workers() == ["w1"]
    await shop.control.drain(["w1"])
    asked = asyncio.create_task(worker.engine.asked_to_stop())
    await shop.until(asked.done, moving=0.25)
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    other = await shop.publish("y")
    await shop.start(agent_of(lambda payload: payload), incarnation="w2")
    await shop.ended(other, moving=0.25)
    let_go.set()
    await shop.until(stopping.done, moving=0.1)
    assert stopping.result() == 0
    assert (await shop.ended(task_id)).result == "x"
    assert len(shop.says.having("wants this worker drained")) == 1
    assert await shop.control.all_workers() == ["w2"]


async def test_an_unknown_worker_is_an_error(shop: Workshop):
    """And so is one that has left."""
    await (await shop.start(agent_of(len))).stop()
    with pytest.raises(WorkerNotFound, match="omni worker list"):
        await shop.control.drain(["w1"])


async def test_purging_drops_what_waits_and_nothing_else(shop: Workshop):
    """On the bus and in the store; what runs, what is not yet due, and other topics go on. Nobody waits in vain."""
    began, let_go = asyncio.Event(), asyncio.Event()

    async def slow(payload):
        began.set()
        await let_go.wait()
        return payload

    worker = await shop.start(agent_of(slow, concurrency=1), agent_of(len, "heir"))
    await shop.control.stop([HEIR])
    await shop.pass_time(2.0)
    running = await shop.publish("x")
    await asyncio.wait_for(began.wait(), 5)
    waiting = [await shop.publish("y") for _ in range(60)]
    delayed, other = await shop.publish("z", delay=100.0), await shop.publish("z", topic="other")
    await shop.pass_time(1.0)
    # 61 deliveries to the stopped agent, 60 to the busy one, be they on the bus or held by the store.
    assert await shop.control.purge(TOPIC) == 121
    assert await shop.control.purge(TOPIC) == 0
    assert {(await shop.ended(task_id)).status for task_id in waiting} == {"cancelled"}
    let_go.set()
    await shop.until(lambda: shop.state(running) == "succeeded", moving=0.25)
    assert shop.state(running, "heir") == "cancelled"
    for task_id, status in ((delayed, "scheduled"), (other, "queued")):
        result = await shop.queries.result(task_id)
        assert result is not None
        assert result.status == status
    assert await shop.control.purge("other") == 1
    assert (await shop.ended(other)).status == "cancelled"
    await shop.control.start([HEIR])
    await shop.pass_time(6.0)
    assert worker.held == 0
    assert shop.state(waiting[0], "heir") == shop.state(waiting[0]) in {None, "cancelled"}


async def test_a_step_of_purging_is_bounded(shop: Workshop, monkeypatch: pytest.MonkeyPatch):
    """By a number of tasks, newest first, and by the time that the store takes; the cursors lead to all of them."""
    tasks = [await shop.publish("x") for _ in range(120)]

    async def cancelled() -> int:
        results = [await shop.queries.result(task_id) for task_id in tasks]
        return sum(result is not None and result.status == "cancelled" for result in results)

    first = await shop.control.purge_step(TOPIC, limit=30)
    assert (first.deliveries, await cancelled()) == (120, 30), "the bus at once, the tasks in steps"
    find = shop.storage.queries.find

    async def slowly(*args):
        shop.clock.advance(11.0)
        return await find(*args)

    monkeypatch.setattr(shop.storage.queries, "find", slowly)
    second = await shop.control.purge_step(TOPIC, first.cursor, 80)
    assert (second.deliveries, await cancelled()) == (0, 80)
    late = await shop.publish("x")
    last = await shop.control.purge_step(TOPIC, second.cursor)
    assert (last.deliveries, last.cursor, await cancelled()) == (0, None, 120)
    found = await shop.queries.result(late)
    assert found is not None
    assert found.status == "queued", "what came in after the first step"


async def test_an_agents_part_is_purged_though_anothers_has_changed_meanwhile(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    """Each for itself: nothing stays queued for what became of another's."""
    await declared(shop, "greeter", "heir", "third")
    task_id = await shop.publish("x")
    find, cancel = shop.storage.queries.find, shop.storage.commands.cancel
    await cancel(task_id, "third")  # the others are purged one by one from now on

    async def find_just_before_a_change(*args):
        page = await find(*args)
        await cancel(task_id, page.standings[0].unbegun_agents[0])
        return page

    monkeypatch.setattr(shop.storage.queries, "find", find_just_before_a_change)
    await shop.control.purge(TOPIC)
    assert (shop.state(task_id), shop.state(task_id, "heir")) == ("cancelled", "cancelled")


# --- hearing of it ----------------------------------------------------------------------------------------------------


@pytest.fixture
def custody():
    return Custody({GREETER: agent_of(len)})


@pytest.fixture
def presence(shop: Workshop, custody: Custody):
    return Presence(
        registry=shop.storage.registry,
        custody=custody,
        clock=shop.clock,
        telemetry=shop.says,
        report=lambda: WorkerReport(
            incarnation="w1", host="h", pid=1, started_at=shop.clock.now().at, subscriptions=(GREETER,)
        ),
        on_drained=lambda: None,
        declare=lambda: declared(shop, "greeter"),
        hint=asyncio.Event(),
    )


async def test_a_worker_is_heard_often_enough_to_be_taken_for_alive(shop: Workshop, presence: Presence):
    """Several times in ten seconds, also past failures that may pass; hints cost little more than a beat a second."""
    running = asyncio.create_task(presence.run())
    shop.registry.fail("beat", times=2)
    await shop.pass_time(10.0)
    assert 6 <= shop.registry.calls["beat"] <= 12
    before = shop.registry.calls["beat"]
    for _ in range(100):
        presence._hint.set()
        await shop.pass_time(0.1, step=0.1)
    assert shop.registry.calls["beat"] - before <= 14
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_registry_that_cannot_be_used_ends_the_heartbeat(shop: Workshop, presence: Presence):
    """For the supervision to tell a person and to begin anew."""
    shop.registry.fail("beat", error=broken)
    with pytest.raises(type(broken())):
        await presence.run()


async def test_what_people_want_is_what_custody_keeps_to(shop: Workshop, presence: Presence, custody: Custody):
    """A stopped agent and a removed one take nothing more; a started one does."""
    await declared(shop, "greeter")
    heard = []
    for order in ("stop", "start"):
        await getattr(shop.control, order)([GREETER])
        await presence.beat()
        heard.append(custody.is_stopped(GREETER))
    await shop.control.remove(GREETER, force=True)
    await presence.beat()
    assert [*heard, custody.is_stopped(GREETER)] == [True, False, True]


class Forgetful(Faulty):
    """A registry that has lost everything once."""

    lost = True

    async def beat(self, report):
        state = await self._port.beat(report)
        lost, self.lost = self.lost, False
        return DesiredState(has_lost_data=True) if lost else state


async def test_a_store_that_lost_its_data_gets_its_agents_again(shop: Workshop, presence: Presence, custody: Custody):
    """That is told, nobody takes them for removed, and what fails meanwhile is tried again with the next heartbeat."""
    presence._registry = cast("AgentRegistry", Forgetful(shop.storage.registry))
    shop.registry.fail("register")
    with pytest.raises(BackendUnavailable):
        await presence.beat()
    assert not custody.is_stopped(GREETER)
    await presence.beat()
    await presence.beat()
    assert [record.profile.subscription for record in (await shop.registry.census()).agents] == [GREETER]
    assert len(shop.says.having("DATA LOSS")) == 1
    assert not shop.says.having("was removed")
    assert not custody.is_stopped(GREETER)


async def test_a_stop_of_somebody_elses_agent_is_no_news_here(shop: Workshop, presence: Presence):
    """Only what this worker runs is told of."""
    await declared(shop, "greeter", "heir")
    await shop.control.stop([GREETER, HEIR])
    await presence.beat()
    await presence.beat()
    assert [line for _, line in shop.says.lines] == ["agent greet.user/greeter was stopped"]


async def test_a_heartbeat_that_is_away_raises_for_whoever_starts(shop: Workshop, presence: Presence):
    """A start waits for nobody."""
    shop.registry.fail("beat")
    with pytest.raises(BackendUnavailable):
        await presence.beat()


# --- pairs of bus and store -------------------------------------------------------------------------------------------

DURABLE = {"is_durable": True}


@pytest.mark.parametrize(
    ("bus", "store", "reason"),
    [
        ({}, {}, None),
        ({}, {"is_durable": False}, "forget"),
        ({"is_durable": False, "is_lossy": True}, {"is_durable": False}, None),
        ({"is_durable": False, "is_lossy": True}, {}, None),
        ({}, {"is_host_local": True}, "other machines"),
        ({"is_host_local": True}, {"is_host_local": True}, None),
        ({"is_host_local": True}, {}, None),
    ],
)
def test_a_store_must_keep_what_its_bus_promises(bus, store, reason):
    """A durable bus needs a durable store, a network bus one that all its workers reach."""
    wrong = mismatch(BusCapabilities(name="bus", **bus), StorageCapabilities(name="store", **store))
    assert (wrong is None) is (reason is None)
    if reason:
        assert reason in str(wrong)
