"""The engine's ends that are not planned: a start that fails, a stop in the middle of a call, agents that are gone."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from omnidaemon.app.supervision import Supervision
from tests.unit.app.faults import away, broken
from tests.unit.app.handlers import Sleeper
from tests.unit.app.workshop import Worker, Workshop, agent_of


async def leave_in_a_hurry(shop: Workshop, worker: Worker, let_go: asyncio.Event) -> int:
    """How many runs were given back; the call under way is answered while it leaves."""
    worker.engine.release_now()
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    let_go.set()
    await shop.until(stopping.done, moving=0.1)
    return stopping.result()


async def waiting(shop: Workshop) -> int:
    """How many deliveries the bus has that nobody holds."""
    (depth,) = await shop.real_bus.depths()
    return depth.waiting


async def held(shop: Workshop) -> int:
    """How many an inbox holds."""
    (depth,) = await shop.real_bus.depths()
    return depth.held


# --- starts that fail -------------------------------------------------------------------------------------------------


async def test_a_worker_that_cannot_subscribe_leaves_the_registry_again(shop: Workshop):
    """Nobody shall see a worker that does not work."""
    shop.bus.fail("subscribe", error=broken)
    with pytest.raises(type(broken())):
        await shop.start(agent_of(Sleeper()))
    assert not (await shop.registry.census()).workers


@pytest.mark.parametrize("call", ["register", "beat", "subscribe"])
async def test_a_start_that_is_cancelled_leaves_nothing_behind(shop: Workshop, call):
    """Wherever it was: no heartbeat, no inbox, no loop."""
    port = shop.bus if call == "subscribe" else shop.registry
    port.hold(call)
    starting = asyncio.create_task(shop.start(agent_of(Sleeper())))
    await shop.until(lambda: port.calls[call])
    starting.cancel()
    await asyncio.wait({starting}, timeout=5)
    assert starting.cancelled()
    assert not (await shop.registry.census()).workers


async def test_stopping_what_was_never_started_does_nothing(shop: Workshop):
    """No error, and nobody is told."""
    worker = shop.worker(agent_of(Sleeper()))
    assert await worker.stop() == 0
    assert (shop.registry.calls["leave"], shop.says.lines) == (0, [])


# --- stops in the middle of something ---------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["begin", "claim_due"])
async def test_what_is_granted_while_a_worker_leaves_in_a_hurry_is_given_back(shop: Workshop, gate):
    """The call is on its way when the takers are cancelled: its grants are nobody's loss and count for nothing."""
    if gate == "begin":
        worker = await shop.start(agent_of(Sleeper()))
        let_go = shop.runs.hold(gate)
        task_id = await shop.publish("x")
    else:
        first = await shop.start(agent_of(Sleeper()), incarnation="w0")
        task_id = await shop.publish("x")
        await shop.until(lambda: shop.state(task_id) == "running")
        first.engine.release_now()
        await first.stop()
        let_go = shop.runs.hold(gate)
        worker = await shop.start(agent_of(Sleeper()))
    before = shop.runs.calls[gate]
    await shop.until(lambda: shop.runs.calls[gate] > before - (gate == "claim_due"))
    assert await leave_in_a_hurry(shop, worker, let_go) == 1
    run = shop.run_of(task_id)
    assert run is not None
    assert (run.state, run.attempts, run.crashes) == ("queued", 0, 0)


async def test_a_delivery_that_waits_while_due_runs_are_claimed_is_begun_no_more(shop: Workshop):
    """The claim is answered while the worker leaves in a hurry; a begin after it would be cut off once the store has
    granted the run, and nobody would hold it."""
    let_go = shop.runs.hold("claim_due")
    worker = await shop.start(agent_of(Sleeper()))
    task_id = await shop.publish("x")
    await shop.rest()
    assert (shop.runs.calls["claim_due"], await held(shop)) == (1, 1)
    shop.runs.hold_answers("begin")
    assert await leave_in_a_hurry(shop, worker, let_go) == 0
    assert (shop.runs.calls["begin"], shop.run_of(task_id), await waiting(shop)) == (0, None, 1)


async def test_what_comes_due_while_a_delivery_is_begun_is_claimed_no_more(shop: Workshop):
    """The other way round: what is being begun is given back, and what is due stays so for anybody."""
    other = await shop.start(agent_of(Sleeper(), concurrency=1), incarnation="w0")
    due = await shop.publish("due")
    await shop.until(lambda: shop.state(due) == "running")
    worker = await shop.start(agent_of(Sleeper(), concurrency=2))
    await shop.rest()
    let_go = shop.runs.hold("begin")
    fresh = await shop.publish("fresh")
    await shop.until(lambda: shop.runs.calls["begin"] == 2)
    await leave_in_a_hurry(shop, other, asyncio.Event())
    claims = shop.runs.calls["claim_due"]
    await shop.pass_time(6.0)
    assert (shop.state(due), shop.runs.calls["claim_due"]) == ("queued", claims), "it waits for its turn"
    shop.runs.hold_answers("claim_due")
    assert await leave_in_a_hurry(shop, worker, let_go) == 1
    assert shop.runs.calls["claim_due"] == claims
    for task_id in (due, fresh):
        run = shop.run_of(task_id)
        assert run is not None
        assert (run.state, run.attempts, run.crashes) == ("queued", 0, 0)


@pytest.mark.parametrize("gate", ["begin", "claim_due"])
async def test_a_grant_that_does_not_come_is_not_waited_for_long(shop: Workshop, gate):
    """A store that says nothing keeps no worker from leaving, and no call is left over."""
    let_go = shop.runs.hold(gate)
    worker = await shop.start(agent_of(Sleeper()), drain_seconds=0.01, last_word_seconds=0.05)
    await shop.publish("x")
    await shop.until(lambda: shop.runs.calls[gate])
    assert await asyncio.wait_for(worker.stop(), 5) == 0
    assert all(taker.done() for taker in worker.engine._loops.takers)
    let_go.set()


@pytest.mark.parametrize("gate", ["begin", "claim_due"])
@pytest.mark.parametrize("error", [away, broken])
async def test_a_store_that_fails_again_and_again_keeps_no_worker_from_leaving(shop: Workshop, gate, error):
    """Whether it may pass or not: the worker waits as long as for any last word, and the bus has the delivery again."""
    shop.runs.fail(gate, times=10_000, error=error)
    worker = await shop.start(agent_of(Sleeper()), drain_seconds=0.01, last_word_seconds=0.05)
    await shop.until(lambda: shop.runs.calls["claim_due"])
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.runs.calls[gate] > 2, moving=0.1)
    stopping = asyncio.create_task(worker.stop())
    await shop.until(stopping.done, moving=0.1)
    assert all(taker.done() for taker in worker.engine._loops.takers)
    if gate == "begin":
        assert (shop.run_of(task_id), await waiting(shop)) == (None, 1)


# --- agents that are gone ---------------------------------------------------------------------------------------------


async def test_an_engine_whose_agents_loop_was_closed_gives_everything_back(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
):
    """It asks to be stopped, and waits for nobody then: what it holds nobody will ever execute."""
    monkeypatch.setattr("omnidaemon.app.lag._PERIOD_SECONDS", 0.01)
    closed = asyncio.new_event_loop()
    handler = Sleeper()
    worker = shop.worker(agent_of(handler), agents_loop=closed, drain_seconds=3600.0)
    shop.workers.append(worker)
    await worker.engine.start()
    task_id = await shop.publish("x")
    await asyncio.wait_for(handler.began.wait(), 5)
    asking = asyncio.create_task(worker.engine.asked_to_stop())
    await shop.rest()
    assert not asking.done()
    closed.close()
    await asyncio.wait_for(asking, 5)
    assert await asyncio.wait_for(worker.stop(), 5) == 1
    assert shop.state(task_id) == "queued"
    assert shop.says.having("loop of the agents was closed")


# --- loops that fail --------------------------------------------------------------------------------------------------


async def test_a_failure_that_stays_is_told_once_and_tried_ever_more_seldom(shop: Workshop):
    """Nine loops over a store that somebody has to mend write one line, and ask it twice a minute each in the end."""
    times: list[float] = []

    async def failing() -> None:
        times.append(shop.clock.now().steady)
        raise RuntimeError("mend me")

    supervision = Supervision(shop.clock, shop.says)
    loops = [supervision.start(f"loop-{number}", failing) for number in range(3)]
    await shop.pass_time(300.0, step=1.0)
    assert len(shop.says.having("mend me", "trying again")) == 1
    assert times[:3] == [1000.0] * 3
    assert times[3] - times[0] == pytest.approx(1.0)
    assert times[-1] - times[-4] == pytest.approx(30.0, abs=1.1)
    await shop.pass_time(400.0, step=1.0)
    assert len(shop.says.having("mend me", "trying again")) == 2, "after ten minutes it is told again"
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def test_a_loop_that_was_well_for_a_while_is_begun_anew_soon(shop: Workshop):
    """Pauses grow while it fails, not over its whole life."""
    times: list[float] = []

    async def now_and_then() -> None:
        times.append(shop.clock.now().steady)
        if len(times) > 4:
            await shop.clock.wait(asyncio.Event(), 60.0)
        raise RuntimeError

    loop = Supervision(shop.clock, shop.says).start("loop", now_and_then)
    await shop.pass_time(200.0, step=0.5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:4] == pytest.approx([1.0, 2.0, 4.0, 8.0], abs=0.6)
    assert pauses[4:6] == pytest.approx([61.0, 61.0], abs=0.6)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_no_pause_keeps_a_worker_from_leaving(shop: Workshop):
    """A taker that has failed is begun anew for its end at once."""
    shop.runs.fail("claim_due", times=8, error=broken)
    worker = await shop.start(agent_of(lambda payload: payload), drain_seconds=3600.0)
    await shop.pass_time(20.0, step=1.0)
    stopping = asyncio.create_task(worker.stop())
    await shop.rest()
    await shop.pass_time(0.25)
    assert stopping.done()
