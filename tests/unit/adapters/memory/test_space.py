"""What is special about the memory adapters: one space, any thread, a way back, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from omnidaemon.adapters.memory.bus import MemoryBus, MemoryBusSpace
from omnidaemon.adapters.memory.snapshot import MemorySnapshot
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.adapters.memory.storage import MemoryStorage
from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded

GREETER = Subscription(TOPIC, "greeter")


@pytest.fixture
def space(manual_clock):
    return MemorySpace(manual_clock)


@pytest.fixture
def place(tmp_path, manual_clock):
    return Place(data_dir=tmp_path, clock=manual_clock)


async def test_threads_with_loops_of_their_own_share_a_space(space, place):
    """Four workers, each on its own thread and loop, begin and finish a hundred tasks: each once."""
    tasks = [place.task(f"t{number}") for number in range(100)]
    recorded = []

    async def work(name):
        worker = ScriptedWorker(MemoryStorage(space).runs, name)
        for task in tasks:
            (grant,) = await worker.begin(worker.start_of(task, GREETER))
            if grant is not None:
                recorded.append(await worker.settle(grant, succeeded()))

    threads = [threading.Thread(target=lambda name=f"w{n}": asyncio.run(work(name))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert recorded == [True] * 100
    assert (await MemoryStorage(space).queries.metrics())[GREETER].tasks_processed == 100


async def test_publishing_on_another_thread_wakes_a_receiver(space, place):
    """The bell crosses loops."""
    bus = MemoryBus(space.bus)
    await bus.declare({GREETER: Start.NOW})
    inbox = await bus.subscribe([GREETER])
    receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, wait_seconds=60))

    async def waiting():
        return place.clock.waiting

    await eventually(waiting)
    await asyncio.to_thread(lambda: asyncio.run(bus.publish([place.task()])))
    assert [delivery.task.task_id for delivery in await asyncio.wait_for(receiving, 10)] == ["t1"]
    await inbox.close()


async def test_listener_of_a_closed_loop_does_no_harm(space, place):
    """A loop that went away without closing its listener is nobody's problem."""

    async def listen():
        space.bell.listen()

    await asyncio.to_thread(lambda: asyncio.run(listen()))
    await MemoryStorage(space).log.add([place.task()])
    await ScriptedWorker(MemoryStorage(space).runs).begun(place.task(), GREETER)
    space.bell.ring()


async def test_inbox_gives_nothing_back_to_a_retired_subscription(space, place):
    """Nobody wants the task any more."""
    bus = MemoryBus(space.bus)
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task()])
    inbox = await bus.subscribe([GREETER])
    (delivery,) = await inbox.receive({GREETER: 1}, wait_seconds=0)
    await bus.retire(GREETER)
    await inbox.close()
    await bus.declare({GREETER: Start.NOW})
    again = await bus.subscribe([GREETER])
    assert await again.receive({GREETER: 1}, wait_seconds=0) == []
    await again.ack([delivery])
    await again.close()


async def test_tombstones_are_forgotten_after_a_week(space, place):
    """By then no bus delivers an echo any more."""
    storage = MemoryStorage(space)
    task = place.task()
    worker = ScriptedWorker(storage.runs)
    await worker.settle(await worker.begun(task, GREETER), succeeded())
    await storage.commands.delete("t1")
    place.clock.advance(timedelta(days=6).total_seconds())
    await storage.commands.prune(timedelta(days=1), None, 10)
    assert space.tombstones
    place.clock.advance(timedelta(days=1, seconds=1).total_seconds())
    await storage.commands.prune(timedelta(days=1), None, 10)
    assert not space.tombstones


async def test_worker_that_leaves_leaves_no_lanes(space, place):
    """Restarts for years cost no memory."""
    storage = MemoryStorage(space)
    worker = ScriptedWorker(storage.runs)
    await worker.begun(place.task(), GREETER)
    await worker.claim()
    assert len(space.lanes) == 2
    await storage.registry.leave("w1")
    assert not space.lanes


async def test_snapshot_brings_everything_back(space, place):
    """And is not changed by what happens between."""
    storage = MemoryStorage(space)
    worker = ScriptedWorker(storage.runs)
    task = place.task()
    await storage.log.add([task])
    before = MemorySnapshot.of(space)
    records, journal = await storage.queries.records(["t1"]), await storage.journal.read()
    for _ in range(2):
        grant = await worker.begun(task, GREETER)
        await worker.release(grant)
        await worker.settle(await worker.claimed(GREETER), succeeded())
        assert (before.runs, dict(before.lanes), before.marks) == ({}, {}, ((("t1", False),), frozenset()))
        before.restore(space)
        assert await storage.queries.records(["t1"]) == records
        assert await storage.journal.read() == journal
        assert (await worker.claim(worker.limit(GREETER))).grants == ()


async def test_a_full_bus_refuses_and_says_so(place):
    """What waits for an agent, waits without one, and is held counts; what was acked makes room."""
    bus = MemoryBus(MemoryBusSpace(place.clock, most_deliveries=3))
    await bus.declare(dict.fromkeys([GREETER, Subscription(TOPIC, "logger")], Start.NOW))
    await bus.publish([place.task("waits", topic="nobody")])
    inbox = await bus.subscribe([GREETER])
    receipts = await bus.publish([place.task("t1"), place.task("t2")])
    assert [receipt.confirmation for receipt in receipts] == ["confirmed", "failed"]
    assert "full: 3 deliveries" in receipts[1].reason
    deliveries = await inbox.receive({GREETER: 5}, wait_seconds=0)
    assert [delivery.task.task_id for delivery in deliveries] == ["t1"]
    assert [(await bus.publish([place.task(topic="nobody")]))[0].confirmation] == ["failed"]
    await inbox.ack(deliveries)
    assert [(await bus.publish([place.task(topic="nobody")]))[0].confirmation] == ["confirmed"]
    await inbox.close()


async def test_a_receiver_wakes_when_a_hold_ends(space, place):
    """Nobody rings then."""
    bus = MemoryBus(space.bus)
    await bus.declare({GREETER: Start.NOW})
    await bus.publish([place.task()])
    dead, other = await bus.subscribe([GREETER]), await bus.subscribe([GREETER])
    await dead.receive({GREETER: 1}, wait_seconds=0)
    await other.receive({GREETER: 1}, wait_seconds=0)
    receiving = asyncio.ensure_future(other.receive({GREETER: 1}, wait_seconds=60))

    async def look():
        place.clock.advance(1)
        return receiving.done()

    await eventually(look)
    (delivery,) = receiving.result() or await other.receive({GREETER: 1}, wait_seconds=0)
    assert delivery.task.task_id == "t1"
    for inbox in (dead, other):
        await inbox.close()


async def test_a_batch_that_succeeds_calls_no_worker(space, place):
    """Those who follow what happens hear of it."""
    storage = MemoryStorage(space)
    await storage.log.add([place.task()])
    worker = ScriptedWorker(storage.runs)
    grant = await worker.begun(place.task(), GREETER)
    wakeups, news = storage.runs.wakeups(), storage.runs.news()
    await worker.settle(grant, succeeded())
    assert await news.wait(10)
    assert not await wakeups.wait(0)
    wakeups.close()
    news.close()
