"""The engine's life: ready when started, drained when stopped, patient while its backends are away."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.names import Subscription
from tests.unit.app.faults import away, broken
from tests.unit.app.handlers import Gated, Sleeper
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


# --- starting ---------------------------------------------------------------------------------------------------------


async def test_started_means_ready(shop: Workshop, gated: Gated):
    """Declared, confirmed to the registry, and alive there; what it tells of itself is its heartbeat."""
    worker = await shop.start(agent_of(gated))
    census = await shop.registry.census()
    (record,) = census.agents
    assert record.is_declared
    (alive,) = census.workers
    assert (alive.report.incarnation, alive.report.subscriptions) == ("w1", (GREETER,))
    await shop.publish("x")
    await shop.until(lambda: gated.seen)
    await shop.pass_time(2.0)
    (alive,) = (await shop.registry.census()).workers
    assert (alive.report.running, worker.held, alive.report.is_draining) == (1, 1, False)


async def test_an_agent_that_people_have_stopped_stays_stopped_over_a_restart(shop: Workshop, gated: Gated):
    """The worker knows before it receives anything."""
    await (await shop.start(agent_of(gated))).stop()
    await shop.control.stop([GREETER])
    await shop.publish("x")
    await shop.start(agent_of(gated), incarnation="w2")
    await shop.pass_time(6.0)
    assert not gated.seen


async def test_another_bus_is_told_of_agents_that_the_registry_knows(shop: Workshop, gated: Gated):
    """Whoever changes the bus and keeps the store gets what was published there before a worker came."""
    await (await shop.start(agent_of(gated))).stop()
    await shop.bus.retire(GREETER)  # as another bus would be: it has never heard of the agent
    await shop.publish("x")
    await shop.start(agent_of(gated), incarnation="w2")
    await shop.until(lambda: gated.seen)


@pytest.mark.parametrize("part", ["register", "beat"])
async def test_what_keeps_a_worker_from_starting_is_raised(shop: Workshop, gated: Gated, part):
    """A worker that cannot work at all says so at once."""
    shop.registry.fail(part)
    with pytest.raises(type(away())):
        await shop.start(agent_of(gated))


async def test_a_worker_without_agents_serves_the_others(shop: Workshop):
    """It publishes what is due, and sweeps."""
    await shop.start()
    await shop.publish("x", delay=3.0)
    await shop.pass_time(4.0)
    assert len(shop.space.bus.waiting[TOPIC]) == 1


# --- stopping ---------------------------------------------------------------------------------------------------------


async def test_draining_lets_what_runs_finish_and_takes_nothing_more(shop: Workshop, gated: Gated):
    """What came in meanwhile stays on the bus for others."""
    worker = await shop.start(agent_of(gated))
    running = await shop.publish("running")
    await shop.until(lambda: gated.seen)
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    later = await shop.publish("later")
    await shop.pass_time(1.0)
    assert not stopping.done()
    gated.let_go.set()
    assert await stopping == 0
    assert shop.state(running) == "succeeded"
    assert shop.state(later) is None
    assert gated.seen == ["running"]


async def test_what_does_not_finish_within_the_grace_is_given_back_uncounted(shop: Workshop):
    """Due at once for anybody, without an attempt and without a crash; its handler is cancelled."""
    handler = Sleeper()
    worker = await shop.start(agent_of(handler), drain_seconds=0.05)
    task_id = await shop.publish()
    await asyncio.wait_for(handler.began.wait(), 5)
    assert await worker.stop() == 1
    run = shop.run_of(task_id)
    assert run is not None
    assert (run.state, run.attempts, run.crashes, run.errors) == ("queued", 0, 0, ())
    await shop.until(lambda: handler.was_cancelled)
    calls: list[object] = []
    await shop.start(agent_of(calls.append), incarnation="w2")
    assert (await shop.ended(task_id, moving=0.1)).attempts == 1


async def test_a_hurried_stop_gives_back_at_once(shop: Workshop):
    """Whatever is left of the grace."""
    handler = Sleeper()
    worker = await shop.start(agent_of(handler), drain_seconds=3600.0)
    task_id = await shop.publish()
    await asyncio.wait_for(handler.began.wait(), 5)
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    assert not stopping.done()
    worker.engine.release_now()
    assert await asyncio.wait_for(stopping, 5) == 1
    assert shop.state(task_id) == "queued"


async def test_the_worker_leaves_the_registry_last(shop: Workshop, gated: Gated):
    """While it still records, nobody may take it for gone; while it drains, people can see that it does."""
    worker = await shop.start(agent_of(gated))
    await shop.publish("x")
    await shop.until(lambda: gated.seen)
    finish, leave = shop.runs.hold("finish"), shop.registry.hold("leave")
    stopping = asyncio.create_task(worker.stop())
    await shop.pass_time(2.0)
    (alive,) = (await shop.registry.census()).workers
    assert alive.report.is_draining
    gated.let_go.set()
    await shop.rest()
    assert shop.registry.calls["leave"] == 0
    finish.set()
    await shop.until(lambda: shop.registry.calls["leave"])
    assert not shop.space.running
    leave.set()
    assert await stopping == 0
    assert not (await shop.registry.census()).workers


async def test_a_delivery_that_comes_in_with_the_stop_is_nobodys_loss(shop: Workshop, gated: Gated):
    """It is held in the store for others, not begun by a worker that is about to leave."""
    worker = await shop.start(agent_of(gated))
    await shop.rest()
    task_id = await shop.publish("x")
    worker.engine._loops.stop_taking()
    await shop.rest()
    assert (shop.state(task_id), gated.seen) == ("queued", [])


@pytest.mark.parametrize("error", [away, broken])
@pytest.mark.parametrize("part", ["close", "release", "leave"])
async def test_no_last_word_that_fails_keeps_a_worker_from_leaving(shop: Workshop, part, error):
    """Each of the others is still said; what could not be given back comes back by itself."""
    handler = Sleeper()
    worker = await shop.start(agent_of(handler), drain_seconds=0.01)
    await shop.publish("x")
    await asyncio.wait_for(handler.began.wait(), 5)
    port = {"close": shop.inbox, "release": shop.runs, "leave": shop.registry}[part]
    port.fail(part, error=error)
    stopping = asyncio.create_task(worker.stop())
    await shop.until(stopping.done, moving=0.1)
    assert stopping.result() == 1
    assert shop.runs.calls["release"] >= 1
    assert shop.registry.calls["leave"] == 1


async def test_a_worker_can_leave_while_its_store_is_away(shop: Workshop):
    """It waits for a bounded time; its runs come back once their leases have lapsed."""
    handler = Sleeper()
    worker = await shop.start(agent_of(handler, lease=2.0), drain_seconds=0.05, last_word_seconds=0.05)
    task_id = await shop.publish("x")
    await asyncio.wait_for(handler.began.wait(), 5)
    for port in (shop.runs, shop.registry, shop.log):
        port.go_away()
    stopping = asyncio.create_task(worker.stop())
    await shop.until(stopping.done, moving=0.1)
    for port in (shop.runs, shop.registry, shop.log):
        port.come_back()
    calls: list[object] = []
    await shop.start(agent_of(calls.append, lease=2.0), incarnation="w2")
    result = await shop.ended(task_id, moving=0.1)
    assert (result.status, calls) == ("succeeded", ["x"])


# --- backends that are away -------------------------------------------------------------------------------------------


async def test_a_store_that_goes_and_comes_back_loses_nothing_and_repeats_nothing(shop: Workshop):
    """Every gate fails for a while in the middle of work; each task is executed once and recorded once."""
    seen: list[object] = []

    async def handler(payload):
        seen.append(payload)
        await asyncio.sleep(0)
        return payload

    await shop.start(agent_of(handler, concurrency=5, lease=10.0))
    task_ids = [await shop.publish(number) for number in range(20)]
    for _ in range(4):
        shop.runs.go_away()
        shop.registry.go_away()
        await shop.pass_time(3.0)
        task_ids += [await shop.publish(len(task_ids) + number) for number in range(5)]
        shop.runs.come_back()
        shop.registry.come_back()
        await shop.pass_time(0.3)
    for task_id in task_ids:
        assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
    assert sorted(seen, key=str) == sorted(range(40), key=str)
    assert shop.space.metrics[GREETER].tasks_processed == 40


@pytest.mark.parametrize("gate", ["begin", "claim_due", "finish", "release"])
async def test_answers_that_are_lost_cost_nothing(shop: Workshop, gate):
    """The same request is asked again, and gets the same answer: nothing twice, no slot lost, no lease left over."""
    calls: list[object] = []

    async def handler(payload):
        calls.append(payload)
        if calls.count(payload) == 1:
            raise ValueError

    worker = await shop.start(agent_of(handler, concurrency=3))
    shop.runs.lose_answers(gate, times=5)
    task_ids = [await shop.publish(number) for number in range(10)]
    for task_id in task_ids:
        assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
    assert sorted(calls, key=str) == sorted([*range(10), *range(10)], key=str)
    await shop.until(lambda: worker.held == 0)
    assert not shop.space.running


async def test_while_outcomes_wait_to_be_recorded_no_more_than_a_batch_is_taken(shop: Workshop):
    """The next tasks are taken in while the last ones are being recorded; what waits cannot grow beyond that while the
    store records nothing."""
    calls: list[object] = []

    async def handler(payload):
        calls.append(payload)

    await shop.start(agent_of(handler, concurrency=3))
    shop.runs.go_away("finish")
    for number in range(10):
        await shop.publish(number)
    await shop.pass_time(10.0)
    assert len(calls) == 6
    shop.runs.come_back()
    await shop.until(lambda: len(calls) == 10, moving=0.1)


async def test_a_loop_that_raises_is_begun_anew_and_told_of(shop: Workshop):
    """One line for a person, a pause, and on it goes; the other loops go on all the time."""
    shop.runs.fail("claim_due", error=lambda: RuntimeError("a bug"))
    await shop.start(agent_of(lambda payload: payload))
    assert (await shop.ended(await shop.publish("x"))).status == "succeeded"
    assert shop.says.having("claims: RuntimeError: a bug", "trying again")
    before = shop.runs.calls["claim_due"]
    await shop.until(lambda: shop.runs.calls["claim_due"] > before, moving=0.5)
