"""Fresh tasks: only as many as there is room for, each in the store's custody before it is executed."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.app.custody import Custody
from omnidaemon.app.drafts import Draft
from omnidaemon.domain.agent import WhenStopped
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import ErrorKind
from omnidaemon.domain.task import Unreadable
from tests.unit.app.acking_store import begun_and_acked_together
from tests.unit.app.faults import broken
from tests.unit.app.handlers import Gated
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


def on_the_bus(shop: Workshop) -> int:
    return len(shop.space.bus.queues[GREETER])


async def put_on_the_bus(shop: Workshop, *tasks) -> None:
    shop.space.bus.queues[GREETER].extend(tasks)
    shop.space.bus.bell.ring()
    await shop.rest()


def unreadable(*, is_newer: bool) -> Unreadable:
    return Unreadable(task_id="strange", topic=TOPIC, raw=b'{"v":9}', reason="schema 9", is_newer=is_newer)


async def test_no_more_is_taken_than_there_are_slots(shop: Workshop, gated: Gated):
    """What has no room stays on the bus, for other workers; each slot that comes free takes one."""
    await shop.start(agent_of(gated, concurrency=3))
    for number in range(8):
        await shop.publish(number)
    await shop.rest()
    assert (len(gated.seen), on_the_bus(shop)) == (3, 5)
    gated.let_go.set()
    await shop.until(lambda: len(gated.seen) == 8)
    assert gated.seen == list(range(8)), "not in the order in which they were published"


async def test_each_delivery_is_acked_once_it_is_begun(shop: Workshop, gated: Gated):
    """The bus forgets it while the gated runs, so no time limit of a bus can touch a long task."""
    await shop.start(agent_of(gated))
    task_id = await shop.publish()
    await shop.until(lambda: gated.seen)
    (depth,) = await shop.real_bus.depths()
    assert (depth.waiting, depth.held) == (0, 0)
    gated.let_go.set()
    await shop.ended(task_id)
    run = shop.run_of(task_id)
    assert run is not None
    assert run.is_acked


async def test_where_one_transaction_reaches_both_begin_acks(shop: Workshop, gated: Gated, monkeypatch):
    """The bus is called no more, and the outcome waits for nothing."""
    bus = begun_and_acked_together(shop, monkeypatch)
    await shop.start(agent_of(gated))
    task_id = await shop.publish()
    await shop.until(lambda: gated.seen)
    (depth,) = await shop.real_bus.depths()
    assert (depth.waiting, depth.held) == (0, 0)
    (inbox,) = bus.inboxes
    assert inbox.forgotten == [task_id]
    gated.let_go.set()
    await shop.ended(task_id)
    run = shop.run_of(task_id)
    assert run is not None
    assert run.is_acked


async def test_what_could_not_be_begun_and_acked_is_neither(shop: Workshop, gated: Gated, monkeypatch):
    """The same request again, until it gets through: a lost answer costs nothing."""
    bus = begun_and_acked_together(shop, monkeypatch)
    await shop.start(agent_of(gated))
    shop.runs.fail("begin")
    shop.runs.lose_answers("begin")
    task_id = await shop.publish()
    await shop.until(lambda: gated.seen, moving=0.1)
    assert (bus.inboxes[0].forgotten, gated.seen, on_the_bus(shop)) == ([task_id], [None], 0)
    assert shop.runs.calls["begin"] == 3


@pytest.mark.parametrize("is_one_transaction", [False, True])
async def test_what_a_store_has_to_be_mended_for_is_begun_then(
    shop: Workshop, gated: Gated, monkeypatch: pytest.MonkeyPatch, is_one_transaction
):
    """The inbox holds it for this worker, which must not forget it, and brings it no second time."""
    if is_one_transaction:
        begun_and_acked_together(shop, monkeypatch)
    await shop.start(agent_of(gated))
    shop.runs.fail("begin", error=broken)
    await shop.publish("x")
    await shop.until(lambda: shop.says.having("intake", "BackendUnusable", "trying again"))
    (depth,) = await shop.real_bus.depths()
    assert (gated.seen, depth.held) == ([], 1)
    await shop.pass_time(2.0)
    (depth,) = await shop.real_bus.depths()
    assert (gated.seen, depth.held) == (["x"], 0)
    await shop.publish("y")
    await shop.rest()
    assert gated.seen == ["x", "y"]
    gated.let_go.set()


async def test_a_worker_that_leaves_before_the_store_is_mended_gives_back_what_it_has_in_hand(
    shop: Workshop, gated: Gated
):
    """It does not wait for that."""
    worker = await shop.start(agent_of(gated))
    shop.runs.fail("begin", times=9, error=broken)
    await shop.publish("x")
    await shop.pass_time(2.0)
    assert on_the_bus(shop) == 0
    await worker.stop()
    assert (on_the_bus(shop), gated.seen) == (1, [])


async def test_surplus_is_held_in_the_store_for_anybody(shop: Workshop, gated: Gated):
    """Slots that were taken while a receive was under way: the task is due, not lost and not executed beyond them."""
    worker = await shop.start(agent_of(gated, concurrency=2))
    intake = worker.engine._loops.intake
    assert intake is not None
    deliveries = await shop.inbox.receive({GREETER: 0}, 0.0)
    assert deliveries == []
    for number in range(4):
        await shop.publish(number)
    await shop.rest()
    surplus = await shop.inbox.receive({GREETER: 2}, 0.0)
    await intake._take_in(surplus, may_start=True)
    assert len(gated.seen) == 2
    assert [shop.state(delivery.task.task_id) for delivery in surplus] == ["queued", "queued"]
    assert on_the_bus(shop) == 0
    gated.let_go.set()
    for delivery in surplus:
        assert (await shop.ended(delivery.task.task_id, moving=0.1)).status == "succeeded"


async def test_a_stopped_agent_that_holds_leaves_its_tasks_on_the_bus(shop: Workshop, gated: Gated):
    """Stop and start between them lose nothing and skip nothing; what runs finishes."""
    await shop.start(agent_of(gated))
    first = await shop.publish("first")
    await shop.until(lambda: gated.seen)
    await shop.control.stop([GREETER])
    await shop.pass_time(2.0)
    assert shop.says.having("agent greet.user/greeter was stopped")
    second = await shop.publish("second")
    await shop.pass_time(6.0)
    assert (gated.seen, on_the_bus(shop)) == (["first"], 1)
    gated.let_go.set()
    assert (await shop.ended(first)).status == "succeeded"
    await shop.control.start([GREETER])
    assert (await shop.ended(second, moving=0.1)).status == "succeeded"
    assert shop.says.having("agent greet.user/greeter was started")


async def test_a_delivery_that_meets_a_stop_is_held(shop: Workshop, gated: Gated):
    """It was received a moment before: due once the agent runs again."""
    worker = await shop.start(agent_of(gated))
    await shop.rest()
    worker.engine._loops.custody.stop([GREETER])
    task_id = await shop.publish()
    deliveries = await shop.inbox.receive({GREETER: 1}, 0.0)
    intake = worker.engine._loops.intake
    assert intake is not None
    await intake._take_in(deliveries, may_start=True)
    assert shop.state(task_id) == "queued"
    worker.engine._loops.custody.stop([])
    gated.let_go.set()
    assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"


async def test_a_stopped_agent_that_skips_has_its_tasks_recorded_as_skipped(shop: Workshop, gated: Gated):
    """Those that come in while it is stopped, and never those that were begun before."""
    agent = agent_of(gated, when_stopped=WhenStopped.SKIP, concurrency=1)
    await shop.start(agent)
    running = await shop.publish("running")
    await shop.until(lambda: gated.seen)
    await shop.control.stop([GREETER])
    await shop.pass_time(2.0)
    skipped = [await shop.publish(number) for number in range(150)]
    await shop.until(lambda: shop.state(skipped[-1]) == "skipped", moving=0.1)
    assert {shop.state(task_id) for task_id in skipped} == {"skipped"}
    gated.let_go.set()
    assert (await shop.ended(running)).status == "succeeded"
    assert shop.space.metrics[GREETER].tasks_skipped == 150
    await shop.control.start([GREETER])
    await shop.pass_time(2.0)
    assert (await shop.ended(await shop.publish("after"), moving=0.1)).status == "succeeded"
    assert gated.seen == ["running", "after"]


async def test_due_runs_of_a_stopped_agent_that_skips_wait(shop: Workshop):
    """A retry that comes due while its agent is stopped was begun: it is not skipped."""
    calls = []

    async def fail_once(payload):
        calls.append(payload)
        if len(calls) == 1:
            raise ValueError

    await shop.start(agent_of(fail_once, when_stopped=WhenStopped.SKIP, backoff=3.0))
    task_id = await shop.publish()
    await shop.until(lambda: shop.state(task_id) == "retrying")
    await shop.control.stop([GREETER])
    await shop.pass_time(12.0)
    assert (shop.state(task_id), len(calls)) == ("retrying", 1)
    await shop.control.start([GREETER])
    assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"


async def test_what_nobody_can_decode_is_a_dead_letter_at_once(shop: Workshop, gated: Gated):
    """With its raw bytes and the reason, before any gated sees it."""
    await shop.start(agent_of(gated))
    await put_on_the_bus(shop, unreadable(is_newer=False))
    result = await shop.ended("strange")
    assert result.status == "dead"
    assert result.error is not None
    assert (result.error.kind, result.error.message) == (ErrorKind.UNDECODABLE, "schema 9")
    assert shop.space.tasks["strange"].task == unreadable(is_newer=False)
    assert not gated.seen
    assert on_the_bus(shop) == 0


async def test_what_a_newer_version_will_read_waits_for_it(shop: Workshop, gated: Gated):
    """It is held with its bytes, put back whenever a worker claims it that cannot read it, and never lost."""
    worker = await shop.start(agent_of(gated))
    await put_on_the_bus(shop, unreadable(is_newer=True))
    run = shop.run_of("strange")
    assert run is not None
    assert run.due_at == shop.clock.now().after(60.0)
    for _ in range(3):
        await shop.pass_time(62.0)
        assert shop.state("strange") == "queued"
        assert worker.held == 0
    run = shop.run_of("strange")
    assert run is not None
    assert (run.attempts, run.crashes, run.fence) == (0, 0, 3)
    assert shop.says.having("strange", "waits for a newer version", "schema 9")
    assert not gated.seen


async def test_an_ack_that_fails_is_told_and_the_delivery_that_comes_again_is_dropped(shop: Workshop, gated: Gated):
    """The store answers for the run: begun once, executed once, acked the second time."""
    await shop.start(agent_of(gated))
    shop.inbox.fail("ack")
    task_id = await shop.publish("x")
    await shop.until(lambda: gated.seen)
    assert shop.says.having("1 deliveries could not be acked")
    gated.let_go.set()
    await shop.ended(task_id)
    run = shop.run_of(task_id)
    assert run is not None
    assert not run.is_acked, "retention must keep a tombstone for what may come again"
    await put_on_the_bus(shop, shop.space.tasks[task_id].task)
    await shop.rest()
    assert on_the_bus(shop) == 0
    assert shop.inbox.calls["ack"] == 2
    assert gated.seen == ["x"]


async def test_an_ack_that_cannot_pass_does_not_keep_the_handlers_from_running(shop: Workshop, gated: Gated):
    """The intake ends and is begun anew, and acks then; what was begun before it failed is executed, once."""
    await shop.start(agent_of(gated))
    shop.inbox.fail("ack", error=broken)
    task_id = await shop.publish("x")
    await shop.until(lambda: gated.seen == ["x"])
    assert shop.says.having("intake", "BackendUnusable", "trying again")
    gated.let_go.set()
    assert (await shop.ended(task_id)).status == "succeeded"
    after = await shop.publish("after")
    assert (await shop.ended(after, moving=0.5)).status == "succeeded"
    (depth,) = await shop.real_bus.depths()
    assert (gated.seen, depth.held) == (["x", "after"], 0)


async def test_the_same_task_twice_in_one_batch_is_executed_once(shop: Workshop, gated: Gated):
    """A bus may deliver twice."""
    await shop.start(agent_of(gated))
    await shop.control.stop([GREETER])
    await shop.pass_time(2.0)
    task_id = await shop.publish("x")
    task = shop.space.bus.queues[GREETER][0]
    shop.space.bus.queues[GREETER].append(task)
    gated.let_go.set()
    await shop.control.start([GREETER])
    await shop.ended(task_id, moving=0.1)
    await shop.rest()
    assert (gated.seen, on_the_bus(shop)) == (["x"], 0)


async def test_a_bus_that_is_away_is_asked_again(shop: Workshop, gated: Gated):
    """With pauses, told once, and once more when it is back."""
    gated.let_go.set()
    await shop.start(agent_of(gated))
    shop.inbox.go_away("receive")
    task_id = await shop.publish("x")
    await shop.pass_time(10.0)
    assert shop.inbox.calls["receive"] < 25
    assert len(shop.says.having("memory at here: away")) == 1
    shop.inbox.come_back()
    assert (await shop.ended(task_id, moving=0.1)).status == "succeeded"
    assert shop.says.having("memory at here answers again")


async def test_a_worker_that_stops_receives_nothing_more(shop: Workshop, monkeypatch):
    """Nor the next batch, when the one that is under way comes in full."""
    monkeypatch.setattr(Custody, "ahead", lambda custody, subscription: 200)

    async def handler(payload: object) -> None:
        pass

    worker = await shop.start(agent_of(handler))
    let_go = shop.inbox.hold("receive")
    await shop.publish("first")
    await shop.publisher.publish([Draft(topic=TOPIC, payload=number) for number in range(300)])
    await shop.rest()
    begun = shop.inbox.calls["receive"]
    stopping = asyncio.create_task(worker.stop())
    let_go.set()
    await shop.until(stopping.done, moving=0.1)
    assert shop.inbox.calls["receive"] == begun
