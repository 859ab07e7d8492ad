"""begin_acked() beyond its contract: what of it waits for the disk, and what a hold that has run out does to it."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.sqlite import sqlite_bus, sqlite_storage
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.requests import EndRun
from omnidaemon.domain.states import RunState
from omnidaemon.ports.run_store import AckingRunStore
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker


@pytest.fixture
async def bus(place):
    async with sqlite_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        yield bus


@pytest.fixture
async def storage(place, bus):
    async with sqlite_storage(place.context()) as storage:
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        yield storage


async def begin(worker, inbox, deliveries, intakes):
    """begin_acked() under the worker's lane "begin"."""
    assert isinstance(worker.runs, AckingRunStore)
    return list(await worker.runs.begin_acked(worker.request("begin"), intakes, inbox.acks(deliveries)))


async def received(bus):
    inbox = await bus.subscribe([GREETER])
    return inbox, await inbox.receive({GREETER: 10}, wait_seconds=0)


def waits_for_the_disk(storage):
    """Whether its last commit did."""
    return storage._space.database._session.writer._is_full_sync


async def test_beginning_waits_for_no_disk_where_the_bus_would_bring_it_again(place, bus, storage):
    """A power failure takes begin and ack back together. begin() alone is all that is left of a task elsewhere."""
    await bus.publish_logged([place.task("t1")])
    inbox, deliveries = await received(bus)
    worker = ScriptedWorker(storage.runs)
    intakes = [worker.start_of(each.task, GREETER) for each in deliveries]
    await begin(worker, inbox, deliveries, intakes)
    assert not waits_for_the_disk(storage)
    await worker.begin(worker.start_of(place.task("t2"), GREETER))
    assert waits_for_the_disk(storage)
    await inbox.close()


async def test_what_ends_as_it_begins_waits_for_the_disk(place, bus, storage):
    """Somebody may see that end: it stays."""
    await bus.publish([place.task("t1")])
    inbox, deliveries = await received(bus)
    worker = ScriptedWorker(storage.runs)
    intakes = [EndRun(task=each.task, subscription=GREETER, state=RunState.SKIPPED) for each in deliveries]
    await begin(worker, inbox, deliveries, intakes)
    assert waits_for_the_disk(storage)
    await inbox.close()


@pytest.mark.parametrize("is_surprise", [True, False], ids=["believed to be new", "looked up"])
async def test_what_was_cancelled_before_it_begins_waits_for_the_disk(place, bus, storage, is_surprise):
    """It is to start, and ends."""
    await bus.publish_logged([place.task("t1")])
    await storage.commands.cancel("t1")
    worker = ScriptedWorker(storage.runs)
    if not is_surprise:
        await worker.begin(worker.start_of(place.task("unlogged"), GREETER))
    inbox, deliveries = await received(bus)
    intakes = [worker.start_of(each.task, GREETER) for each in deliveries]
    assert await begin(worker, inbox, deliveries, intakes) == [None]
    assert waits_for_the_disk(storage)
    await inbox.close()


async def test_beginning_after_the_hold_was_taken_over_leaves_the_message_to_the_other(place, bus, storage):
    """Who is told by the store that it is begun, and has it forgotten."""
    await bus.publish([place.task("t1")])
    slow, deliveries = await received(bus)
    await place.pass_time(6)
    other, again = await received(bus)
    worker, rival = ScriptedWorker(storage.runs), ScriptedWorker(storage.runs, "w2")
    intakes = [worker.start_of(each.task, GREETER) for each in deliveries]
    (grant,) = await begin(worker, slow, deliveries, intakes)
    assert grant is not None
    slow.acked(deliveries)
    assert [(depth.waiting, depth.held) for depth in await bus.depths()] == [(0, 1)]
    assert await begin(rival, other, again, intakes) == [None]
    assert [(depth.waiting, depth.held) for depth in await bus.depths()] == [(0, 0)]
    await slow.close()
    await other.close()
