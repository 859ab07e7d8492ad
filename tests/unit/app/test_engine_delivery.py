"""The engine from end to end: a task reaches its handlers, its outcome the store, on the policy's schedule."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon import Reject, Retry
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import ErrorKind
from omnidaemon.domain.values import replace
from tests.unit.app.handlers import Sleeper
from tests.unit.app.workshop import TOPIC, Workshop, agent_of

GREETER = Subscription(TOPIC, "greeter")


def run_of(shop: Workshop, task_id: str):
    run = shop.run_of(task_id)
    assert run is not None
    return run


async def test_a_published_task_is_executed_and_its_result_recorded(shop: Workshop):
    """From publish to a result that a person can read."""

    async def greet(payload):
        return f"hello {payload['name']}"

    await shop.start(agent_of(greet))
    result = await shop.ended(await shop.publish({"name": "Alice"}))
    assert (result.status, result.result, result.attempts) == ("succeeded", "hello Alice", 1)


async def test_every_agent_of_a_topic_gets_every_task(shop: Workshop):
    """And the workers of one agent share its tasks: none is executed twice."""
    seen: list[tuple[str, object]] = []
    agents = [agent_of(lambda payload, ctx: seen.append((ctx.agent, payload)), name) for name in ("a", "b")]
    for incarnation in ("w1", "w2"):
        await shop.start(*agents, incarnation=incarnation)
    task_ids = [await shop.publish(number) for number in range(20)]
    for task_id in task_ids:
        assert (await shop.ended(task_id)).status == "succeeded"
    assert sorted(seen) == [(name, number) for name in ("a", "b") for number in range(20)]


async def test_tasks_published_before_any_worker_lived_are_executed(shop: Workshop):
    """They wait on the topic for its first agent."""
    task_id = await shop.publish("early")
    await shop.start(agent_of(lambda payload: payload))
    assert (await shop.ended(task_id)).result == "early"


# --- retries ----------------------------------------------------------------------------------------------------------


async def test_retries_come_on_the_policys_schedule(shop: Workshop):
    """A failing run is due exactly after each pause of its backoff; it runs then, within 250 ms, and not before."""
    calls = []

    async def fail(payload):
        calls.append(shop.clock.now().at)
        raise ValueError(f"no {len(calls)}")

    await shop.start(agent_of(fail, max_attempts=4, backoff=2.0, backoff_factor=3.0))
    task_id = await shop.publish()
    for attempt, pause in enumerate((2.0, 6.0, 18.0), start=1):
        await shop.until(lambda: shop.state(task_id) == "retrying")
        due_at = calls[-1] + timedelta(seconds=pause)
        assert run_of(shop, task_id).due_at == due_at
        await shop.pass_time((due_at - shop.clock.now().at).total_seconds() - 0.01)
        assert len(calls) == attempt, "it ran before it was due"
        await shop.pass_time(0.26, step=0.05)
        assert len(calls) == attempt + 1, "it was not run when it was due"
    assert (await shop.ended(task_id)).status == "dead"


async def test_a_dead_letter_keeps_the_error_and_traceback_of_every_attempt(shop: Workshop):
    """Each with the attempt's number, in order; the metrics count the attempts that failed."""
    calls = []

    async def fail(payload):
        calls.append(payload)
        raise ValueError(f"no {len(calls)}")

    await shop.start(agent_of(fail, max_attempts=3))
    task_id = await shop.publish()
    result = await shop.ended(task_id, moving=0.5)
    assert (result.status, result.attempts) == ("dead", 3)
    assert result.error is not None
    assert result.error.message == "no 3"
    errors = run_of(shop, task_id).errors
    assert [(error.attempt, error.message) for error in errors] == [(1, "no 1"), (2, "no 2"), (3, "no 3")]
    assert all("in fail\n" in error.traceback for error in errors)
    metrics = shop.space.metrics[GREETER]
    assert (metrics.tasks_failed, metrics.tasks_retried, metrics.tasks_dead_lettered) == (3, 2, 1)


async def test_a_requeued_dead_letter_runs_again_with_all_its_attempts(shop: Workshop):
    """A new life: nothing is held against it, and the key for other services is another one."""
    keys = []
    is_mended = False

    async def fail(payload, ctx):
        keys.append(ctx.idempotency_key)
        if not is_mended:
            raise ValueError
        return ctx.attempt

    await shop.start(agent_of(fail, max_attempts=2))
    task_id = await shop.publish()
    assert (await shop.ended(task_id, moving=0.5)).status == "dead"
    is_mended = True
    await shop.storage.commands.requeue(task_id)
    await shop.until(lambda: shop.state(task_id) == "succeeded", moving=0.1)
    result = await shop.ended(task_id)
    assert (result.status, result.result, result.error) == ("succeeded", 1, None)
    assert keys == [f"{task_id}:greeter:1"] * 2 + [f"{task_id}:greeter:2"]


async def test_retry_burns_no_attempt_and_comes_when_it_was_asked_for(shop: Workshop):
    """However often, with one attempt only."""
    calls = []

    async def ask(payload, ctx):
        calls.append((shop.clock.now().at, ctx.attempt))
        if len(calls) < 5:
            raise Retry(after=7)
        return "done"

    await shop.start(agent_of(ask, max_attempts=1))
    task_id = await shop.publish()
    await shop.until(lambda: shop.state(task_id) == "retrying")
    assert run_of(shop, task_id).due_at == calls[0][0] + timedelta(seconds=7)
    result = await shop.ended(task_id, moving=0.5)
    assert (result.status, result.attempts, len(calls)) == ("succeeded", 1, 5)
    assert {attempt for _, attempt in calls} == {1}


async def test_retry_is_bounded_by_run_timeout(shop: Workshop):
    """A run that always asks for more time ends when its time is over, as a time-out."""

    async def ask(payload):
        raise Retry(after=7)

    await shop.start(agent_of(ask, run_timeout=30))
    task_id = await shop.publish()
    result = await shop.ended(task_id, moving=0.5)
    assert result.status == "dead"
    assert result.error is not None
    assert (result.error.type, result.error.kind) == ("RunTimeout", ErrorKind.TIMEOUT)


async def test_a_rejected_task_is_dead_at_once(shop: Workshop):
    """With the agent's reason, whatever attempts are left."""

    def reject(payload):
        raise Reject("not mine")

    await shop.start(agent_of(reject, max_attempts=50))
    result = await shop.ended(await shop.publish())
    assert (result.status, result.attempts) == ("dead", 1)
    assert result.error is not None
    assert result.error.message == "not mine"


async def test_a_task_that_waited_too_long_is_not_executed(shop: Workshop):
    """Past queue_timeout it is dead when its turn comes."""
    calls: list[object] = []
    task_id = await shop.publish()
    await shop.pass_time(61.0, step=30)
    await shop.start(agent_of(calls.append, queue_timeout=60))
    result = await shop.ended(task_id)
    assert result.error is not None
    assert (result.status, result.error.type, calls) == ("dead", "QueueTimeout", [])


async def test_an_attempt_gets_what_is_left_of_its_time(shop: Workshop):
    """The lesser of timeout and what run_timeout leaves; a time-out is retried like any failure."""
    handler = Sleeper()
    await shop.start(agent_of(handler, timeout=0.02, max_attempts=2))
    result = await shop.ended(await shop.publish(), moving=0.5)
    assert result.error is not None
    assert (result.status, result.attempts, result.error.kind) == ("dead", 2, ErrorKind.TIMEOUT)


# --- cancelling -------------------------------------------------------------------------------------------------------


async def test_a_task_cancelled_before_it_began_is_never_executed(shop: Workshop):
    """While it is on the bus, and when its delivery comes in."""
    calls: list[object] = []
    task_id = await shop.publish("x")
    await shop.storage.commands.cancel(task_id)
    await shop.start(agent_of(calls.append))
    await shop.pass_time(6.0)
    assert ((await shop.ended(task_id)).status, calls) == ("cancelled", [])


async def test_a_retrying_run_is_cancelled_at_once(shop: Workshop):
    """Nobody executes it, so nobody has to be asked; it does not come back when it would have been due."""
    calls = []

    async def fail(payload):
        calls.append(payload)
        raise ValueError

    await shop.start(agent_of(fail, backoff=5.0))
    task_id = await shop.publish()
    await shop.until(lambda: shop.state(task_id) == "retrying")
    await shop.storage.commands.cancel(task_id)
    assert shop.state(task_id) == "cancelled"
    await shop.pass_time(12.0)
    assert len(calls) == 1


@pytest.mark.parametrize("is_lease_long", [True, False])
async def test_a_running_handler_is_cancelled_and_its_run_ends_so(shop: Workshop, is_lease_long):
    """Soon, also under a long lease: a hint brings the news, at most half a second is added to it."""
    handler = Sleeper()
    worker = await shop.start(agent_of(handler, lease=600.0 if is_lease_long else 2.0))
    task_id = await shop.publish()
    await asyncio.wait_for(handler.began.wait(), 5)
    await shop.pass_time(1.0)
    await shop.storage.commands.cancel(task_id)
    assert shop.state(task_id) == "running"
    await shop.pass_time(0.6)
    await shop.until(lambda: shop.state(task_id) == "cancelled")
    assert handler.was_cancelled
    assert worker.held == 0


async def test_a_handler_that_fails_while_it_is_cancelled_is_not_retried(shop: Workshop):
    """Somebody wanted it to end."""
    began = asyncio.Event()

    async def handler(payload):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise Retry(after=1)

    await shop.start(agent_of(handler))
    task_id = await shop.publish()
    await asyncio.wait_for(began.wait(), 5)
    await shop.storage.commands.cancel(task_id)
    await shop.until(lambda: shop.state(task_id) == "cancelled", moving=0.1)


async def test_a_lost_lease_stops_the_handler_and_its_outcome_is_refused(shop: Workshop):
    """Whoever took the run over records it; the first worker notices at its next renewal, and frees the slot."""

    handler = Sleeper()
    worker = await shop.start(agent_of(handler, lease=4.0))
    task_id = await shop.publish()
    await asyncio.wait_for(handler.began.wait(), 5)
    run = run_of(shop, task_id)
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2", lease_until=1e9, lease_seconds=1e9)
    await shop.until(lambda: handler.was_cancelled, moving=0.1)
    await shop.until(lambda: worker.held == 0)
    assert run_of(shop, task_id).owner == "w2"
    assert shop.says.having("lost task", task_id)


async def test_a_handler_may_go_on_to_its_end_after_its_lease_is_lost(shop: Workshop):
    """With `on_lost_lease="finish"`: nothing cuts it off, it keeps its slot meanwhile, and its outcome is refused."""

    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(payload, ctx):
        began.set()
        await may_end.wait()
        assert not ctx.cancelled
        ended.set()

    worker = await shop.start(agent_of(handler, lease=4.0, on_lost_lease="finish"))
    task_id = await shop.publish()
    await asyncio.wait_for(began.wait(), 5)
    run = run_of(shop, task_id)
    shop.space.runs[run.key] = replace(run, fence=run.fence + 1, owner="w2", lease_until=1e9, lease_seconds=1e9)
    await shop.until(lambda: shop.says.having("lost task", task_id), moving=0.1)
    assert worker.held == 1
    may_end.set()
    await asyncio.wait_for(ended.wait(), 5)
    await shop.until(lambda: worker.held == 0)
    assert run_of(shop, task_id).owner == "w2"
