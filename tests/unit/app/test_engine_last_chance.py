"""The engine: runs whose workers died, and those that one more crash would end."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.app.claiming import DueClaims
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.lanes import Lane
from omnidaemon.app.outages import Outages
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import ErrorKind
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.values import replace
from omnidaemon.ports.run_store import LeaseSpan
from omnidaemon.testing.worker import ScriptedWorker
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

LEASE = 2.0
GREETER = Subscription(TOPIC, "greeter")


class Recorder:
    """A handler that holds each payload until it is let go, and keeps who ran beside whom."""

    def __init__(self):
        self.running: set[object] = set()
        self.beside: dict[object, set[object]] = {}
        self.order: list[object] = []
        self._gates: dict[object, asyncio.Event] = {}

    async def __call__(self, payload):
        self.order.append(payload)
        self.running.add(payload)
        for each in self.running:
            self.beside.setdefault(each, set()).update(self.running - {each})
        try:
            await self._gate(payload).wait()
        finally:
            self.running.discard(payload)
        return payload

    def let_go(self, *payloads):
        for payload in payloads:
            self._gate(payload).set()

    def _gate(self, payload):
        return self._gates.setdefault(payload, asyncio.Event())


async def crashed(shop: Workshop, payload: object, times: int) -> str:
    """A task whose workers died so often."""
    await shop.registry.register([agent_of(len).profile])
    task_id = await shop.publish(payload)
    for number in range(times):
        doomed = ScriptedWorker(shop.storage.runs, f"doomed-{task_id}-{number}", LEASE)
        if number == 0:
            task = shop.space.tasks[task_id].task
            await doomed.begin(doomed.start_of(task, GREETER))  # type: ignore[arg-type]  # it was just published
        else:
            await doomed.claimed(GREETER, is_idle=True)
        assert shop.state(task_id) == "running"
        while shop.state(task_id) == "running":
            shop.clock.advance(LEASE / 8)
            await doomed.claim()  # the store is heard all the time, so that the lease can lapse
    return task_id


async def test_a_run_whose_worker_died_is_executed_again_with_the_crash_told(shop: Workshop):
    """The next attempt counts the crash, and a success in the end has it in its history only."""
    task_id = await crashed(shop, "x", times=1)
    seen = []

    async def handler(payload, ctx):
        seen.append(ctx.attempt)
        return "done"

    await shop.start(agent_of(handler, lease=LEASE))
    result = await shop.ended(task_id, moving=0.1)
    assert (result.status, result.attempts, seen) == ("succeeded", 2, [2])
    run = shop.run_of(task_id)
    assert run is not None
    assert [error.kind for error in run.errors] == [ErrorKind.CRASH]
    assert (run.crashes, run.attempts) == (1, 1)


async def test_a_worker_that_is_killed_leaves_its_runs_to_another(shop: Workshop):
    """Once the lease has lapsed, and not before; what the dead one would have recorded is nobody's."""
    handler = Recorder()
    dead = await shop.start(agent_of(handler, lease=LEASE))
    task_id = await shop.publish("x")
    await shop.until(lambda: handler.order == ["x"])
    await shop.start(agent_of(handler, lease=LEASE), incarnation="w2")
    dead.kill()
    await shop.pass_time(LEASE / 2)
    assert handler.order == ["x"], "it was taken from a worker that may be alive"
    await shop.until(lambda: handler.order == ["x", "x"], moving=0.1)
    handler.let_go("x")
    assert (await shop.ended(task_id)).attempts == 2


async def test_a_worker_that_lost_its_own_run_may_get_it_again(shop: Workshop):
    """Its renewals did not get through for a lease: the older attempt is stopped, and no slot leaks."""
    cancelled: list[int] = []
    let_go = asyncio.Event()

    async def handler(payload, ctx):
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            cancelled.append(ctx.attempt)
            raise
        return ctx.attempt

    worker = await shop.start(agent_of(handler, lease=LEASE, concurrency=2))
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.state(task_id) == "running")
    shop.runs.go_away("renew")
    neighbour = ScriptedWorker(shop.storage.runs, "neighbour", LEASE)
    for _ in range(40):  # somebody is heard all the time, so it is not the store that was away
        await shop.pass_time(LEASE / 8)
        await neighbour.claim()
        if cancelled:
            break
    assert cancelled == [1]
    shop.runs.come_back()
    await shop.rest()
    assert worker.held == 1
    let_go.set()
    result = await shop.ended(task_id, moving=0.1)
    assert (result.result, cancelled) == (2, [1])
    await shop.until(lambda: worker.held == 0)
    assert (await shop.ended(await shop.publish("next"), moving=0.1)).status == "succeeded"


@pytest.mark.parametrize("newer_ends", [False, True])
async def test_a_worker_that_lost_its_own_run_and_finishes_it_leaves_nothing_behind(shop: Workshop, newer_ends):
    """With `on_lost_lease="finish"` the older attempt goes on beside the newer one, and ends with the worker at the
    latest."""
    began: list[int] = []
    cancelled: list[int] = []
    let_go = asyncio.Event()

    async def handler(payload, ctx):
        began.append(ctx.attempt)
        try:
            await (asyncio.Event() if ctx.attempt == 1 else let_go).wait()
        except asyncio.CancelledError:
            cancelled.append(ctx.attempt)
            raise

    worker = await shop.start(agent_of(handler, lease=LEASE, concurrency=2, on_lost_lease="finish"))
    task_id = await shop.publish("x")
    await shop.until(lambda: began == [1])
    shop.runs.go_away("renew")
    neighbour = ScriptedWorker(shop.storage.runs, "neighbour", LEASE)
    for _ in range(40):  # as above
        await shop.pass_time(LEASE / 8)
        await neighbour.claim()
        if len(began) == 2:
            break
    assert (began, cancelled) == ([1, 2], [])
    shop.runs.come_back()
    if newer_ends:
        let_go.set()
        assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
        assert not cancelled
    stopping = asyncio.ensure_future(worker.stop())
    await shop.until(stopping.done, moving=0.1)
    await shop.rest()
    assert sorted(cancelled) == ([1] if newer_ends else [1, 2])


async def test_a_run_that_killed_too_many_workers_is_dead_and_not_executed(shop: Workshop):
    """The dead letter holds an error per crash, and one that says that the limit was reached."""
    task_id = await crashed(shop, "poison", times=3)
    calls: list[object] = []
    await shop.start(agent_of(calls.append, lease=LEASE, crash_limit=3))
    result = await shop.ended(task_id, moving=0.1)
    assert result.status == "dead"
    assert result.error is not None
    assert result.error.kind is ErrorKind.CRASH
    run = shop.run_of(task_id)
    assert run is not None
    assert [error.type for error in run.errors] == ["WorkerLost"] * 3 + ["Crashed"]
    assert not calls


@pytest.fixture
async def suspicious(shop: Workshop):
    """A worker that executes "busy" when it learns of a suspect: a run at its last chance."""
    handler = Recorder()
    await crashed(shop, "suspect", times=2)
    await shop.control.stop([GREETER])
    await shop.start(agent_of(handler, lease=LEASE), agent_of(handler, "other", topic="others", lease=LEASE))
    await shop.publish("busy", topic="others")
    await shop.until(lambda: handler.order == ["busy"])
    await shop.control.start([GREETER])
    await shop.pass_time(2.0)
    yield handler
    handler.let_go("busy", "suspect", "fresh", "later")


async def test_a_run_at_its_last_chance_waits_for_what_runs(shop: Workshop, suspicious: Recorder):
    """A task that kills its process must not take others along, so those finish first."""
    assert suspicious.running == {"busy"}
    suspicious.let_go("busy")
    await shop.until(lambda: suspicious.running == {"suspect"}, moving=0.1)
    assert suspicious.beside["suspect"] == set()


async def test_nothing_starts_beside_a_run_at_its_last_chance(shop: Workshop, suspicious: Recorder):
    """Neither while it waits for what runs, nor while it runs; afterwards normal work goes on."""
    await shop.publish("fresh", topic="others")
    await shop.pass_time(6.0)
    assert suspicious.running == {"busy"}
    suspicious.let_go("busy")
    await shop.until(lambda: suspicious.running == {"suspect"}, moving=0.1)
    later = await shop.publish("later", topic="others")
    await shop.pass_time(6.0)
    assert suspicious.running == {"suspect"}
    suspicious.let_go("suspect", "fresh", "later")
    await shop.ended(later, moving=0.1)
    assert suspicious.order[:2] == ["busy", "suspect"]
    assert sorted(map(str, suspicious.order)) == ["busy", "fresh", "later", "suspect"]
    assert suspicious.beside["suspect"] == set()


async def test_what_is_received_beside_a_last_chance_is_left_to_other_workers(shop: Workshop, suspicious: Recorder):
    """A delivery that comes in at the wrong moment must not wait for hours in this worker's hands."""
    await shop.publish("fresh", topic="others")
    await shop.pass_time(1.0)
    elsewhere = Recorder()
    await shop.start(agent_of(elsewhere, "other", topic="others", lease=LEASE), incarnation="w2")
    await shop.until(lambda: elsewhere.running == {"fresh"}, moving=0.1)
    elsewhere.let_go("fresh")
    assert suspicious.running == {"busy"}


async def test_several_suspects_run_one_after_the_other(shop: Workshop):
    """Each alone, without normal work between them."""
    handler = Recorder()
    suspects = [await crashed(shop, f"suspect {number}", times=1) for number in range(3)]
    doomed = ScriptedWorker(shop.storage.runs, "doomed", LEASE)
    await doomed.claim(doomed.limit(GREETER, slots=3))
    while any(shop.state(task_id) == "running" for task_id in suspects):
        shop.clock.advance(LEASE / 8)
        await doomed.claim()
    fresh = await shop.publish("fresh")
    handler.let_go("fresh", *(f"suspect {number}" for number in range(3)))
    await shop.start(agent_of(handler, lease=LEASE))
    for task_id in (*suspects, fresh):
        await shop.ended(task_id, moving=0.1)
    assert all(not beside for payload, beside in handler.beside.items() if payload != "fresh")


async def test_a_suspect_is_not_kept_waiting_by_its_agents_share_of_slots(shop: Workshop):
    """Its agent may have had its due share while fresh tasks wait: alone in the worker, it runs all the same.

    Else nothing at all would run: fresh tasks wait for the suspect, and the suspect for their share.
    """
    await crashed(shop, "suspect", times=2)
    agent = agent_of(len, lease=LEASE, concurrency=4)
    custody = Custody({GREETER: agent})
    custody.saw_fresh(GREETER, waits=True)
    custody.saw_due(GREETER, waits=True)
    (suspect,) = shop.space.runs.values()
    task = shop.space.tasks[suspect.task_id].task
    earlier = [
        Grant(run=replace(suspect, task_id=f"earlier-{number}"), task=task, at=shop.clock.now().at)
        for number in range(3)
    ]
    custody.remove([holding.key for holding in custody.add(earlier, 0.0, is_fresh=False)])
    assert custody.room_for_due(GREETER) == 0
    dispatched: list[Holding] = []
    claims = DueClaims(
        runs=shop.storage.runs,
        custody=custody,
        lane=Lane("w1", "claim", shop.clock, Outages(shop.clock, shop.says)),
        clock=shop.clock,
        telemetry=shop.says,
        admission=asyncio.Lock(),
        dispatch=dispatched.extend,
        agents=[agent],
        leases=LeaseSpan(LEASE, LEASE),
        hint=asyncio.Event(),
    )
    running = asyncio.create_task(claims.run())
    await shop.until(lambda: dispatched)
    claims.stop()
    custody.remove([holding.key for holding in dispatched])
    await running


async def test_a_worker_told_to_stop_does_not_wait_for_a_last_chance(shop: Workshop, suspicious: Recorder):
    """It leaves within its grace although a suspect waits for what runs, and gives back what does not finish."""
    (worker,) = shop.workers
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    worker.engine.release_now()
    assert await asyncio.wait_for(stopping, 1.0) == 1
    assert suspicious.order == ["busy"]
