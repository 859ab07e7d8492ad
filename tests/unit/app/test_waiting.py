"""Waiting for results: one listener for everybody, which survives what may pass."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.errors import BackendUnusable, TaskNotFound, WaitTimedOut
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.result import TaskResult
from tests.unit.app.faults import broken
from tests.unit.app.workshop import Workshop, agent_of


class Gated:
    def __init__(self):
        self.let_go = asyncio.Event()

    async def __call__(self, payload):
        await self.let_go.wait()
        return payload


@pytest.fixture
async def handler(shop: Workshop):
    gated = Gated()
    await shop.start(agent_of(gated, concurrency=1000))
    yield gated
    gated.let_go.set()


def wait(
    shop: Workshop, task_id: str, timeout: float | None = 5.0, agent: str | None = None
) -> asyncio.Task[TaskResult]:
    return asyncio.create_task(shop.results.wait(task_id, timeout, agent))


async def test_a_result_that_is_there_is_given_at_once(shop: Workshop, handler: Gated):
    """Without waiting for any hint."""
    handler.let_go.set()
    task_id = await shop.publish("x")
    await shop.ended(task_id)
    result = await shop.results.wait(task_id, 5.0, None)
    assert result.result == "x"
    assert (await shop.results.wait(task_id, 5.0, "greeter")).agent == "greeter"


async def test_a_result_is_given_when_its_task_ends(shop: Workshop, handler: Gated):
    """A hint brings it, not the clock."""
    task_id = await shop.publish("x")
    waiting = wait(shop, task_id)
    await shop.rest()
    assert not waiting.done()
    handler.let_go.set()
    assert (await waiting).status == "succeeded"


async def test_an_unknown_task_is_not_waited_for(shop: Workshop, handler: Gated):
    """Nor a task that was deleted meanwhile, nor an agent that has nothing to do with it."""
    for seconds in (5.0, 0.0):
        with pytest.raises(TaskNotFound):
            await shop.results.wait("nowhere", seconds, None)
    task_id = await shop.publish("x", topic="nobody.listens")
    with pytest.raises(TaskNotFound):
        await shop.results.wait(task_id, 5.0, "stranger")
    waiting = wait(shop, task_id)
    await shop.rest()
    await shop.storage.commands.delete(task_id)
    shop.clock.advance(1.0)
    with pytest.raises(TaskNotFound):
        await waiting


async def test_a_wait_that_was_too_short_says_how_far_the_task_is(shop: Workshop, handler: Gated):
    """It goes on; ask again with the same id."""
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.state(task_id) == "running")
    with pytest.raises(WaitTimedOut, match="still running after") as error:
        await shop.results.wait(task_id, 0.02, None)
    assert error.value.is_transient
    handler.let_go.set()
    assert (await shop.results.wait(task_id, 5.0, None)).status == "succeeded"


async def test_a_wait_that_was_too_short_says_how_the_task_stands_by_then(shop: Workshop):
    """Who waits is told of ends alone; that an attempt has failed meanwhile it reads at last."""

    async def failing(payload: object) -> None:
        raise KeyError("name")

    await shop.start(agent_of(failing, backoff=600.0))
    waiting = asyncio.create_task(shop.results.wait(await shop.publish("x"), 0.3, None))
    with pytest.raises(WaitTimedOut, match="still retrying after"):
        await waiting


async def test_a_wait_that_was_too_short_gives_what_has_ended_by_then(shop: Workshop, handler: Gated):
    """Its last look finds an end that it had no time to see before."""
    handler.let_go.set()
    task_id = await shop.publish("x")
    await shop.ended(task_id)
    queries = shop.ports["queries"]
    looks, before = queries.hold("records"), queries.calls["records"]
    waiting = wait(shop, task_id, 0.01)
    await shop.until(lambda: queries.calls["records"] == before + 2)
    looks.set()
    assert (await waiting).result == "x"


async def test_many_waiters_cost_one_query_for_each_hint(shop: Workshop, handler: Gated):
    """Those whose task has ended look once more; the others do not."""
    task_ids = [await shop.publish(number) for number in range(200)]
    waiting = [wait(shop, task_id) for task_id in task_ids for _ in range(2)]
    await shop.rest()
    queries = shop.ports["queries"]
    before = queries.calls["records"], queries.calls["ended"]
    other = await shop.publish("other", topic="nobody.listens")
    await shop.storage.commands.cancel(other)
    await shop.rest()
    assert queries.calls["records"] == before[0]
    assert 1 <= queries.calls["ended"] - before[1] <= 2
    handler.let_go.set()
    results = await asyncio.gather(*waiting)
    assert {result.status.value for result in results} == {"succeeded"}
    assert queries.calls["records"] - before[0] == 400
    assert queries.calls["ended"] - before[1] < 20


async def test_a_lost_hint_costs_a_second(shop: Workshop, handler: Gated):
    """Hints may be lost: the listener looks by itself."""
    task_id = await shop.publish("x")
    waiting = wait(shop, task_id)
    await shop.rest()
    shop.space.news._listeners.clear()
    handler.let_go.set()
    await shop.until(lambda: shop.state(task_id) == "succeeded")
    await shop.until(waiting.done, moving=0.25)


async def test_a_store_that_is_away_for_a_while_does_not_end_the_wait(shop: Workshop, handler: Gated):
    """The listener goes on; whoever waits without a limit must not hang for ever."""
    task_id = await shop.publish("x")
    waiting = wait(shop, task_id, timeout=None)
    await shop.rest()
    shop.ports["queries"].go_away("ended")
    handler.let_go.set()
    await shop.until(lambda: shop.state(task_id) == "succeeded")
    await shop.pass_time(3.0)
    assert not waiting.done()
    shop.ports["queries"].come_back()
    await shop.until(waiting.done, moving=0.25)
    assert waiting.result().status == "succeeded"


async def test_a_store_that_cannot_be_used_ends_every_wait(shop: Workshop, handler: Gated):
    """With the error that a person has to mend."""
    task_id = await shop.publish("x")
    waiting = [wait(shop, task_id, timeout=None) for _ in range(3)]
    await shop.rest()
    shop.ports["queries"].fail("ended", error=broken)
    shop.ports["queries"].fail("records", times=3, error=broken)
    shop.clock.advance(1.0)
    for each in waiting:
        with pytest.raises(BackendUnusable):
            await each


async def test_cancelling_a_wait_leaves_nothing_behind(shop: Workshop, handler: Gated):
    """The listener goes with the last who waits; the next brings another."""
    task_id = await shop.publish("x")
    first, second = wait(shop, task_id), wait(shop, task_id)
    await shop.rest()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    assert len(shop.space.news._listeners) == 1
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert second.cancelled()
    assert not shop.space.news._listeners
    handler.let_go.set()
    assert (await shop.results.wait(task_id, 5.0, None)).status == "succeeded"


async def test_a_wait_for_several_agents_ends_with_the_last(shop: Workshop, handler: Gated):
    """One that has ended is not the whole, but may be asked for by name."""
    await shop.start(agent_of(lambda payload: "fast", "fast", topic="pair"), incarnation="w2")
    slow = Gated()
    await shop.start(agent_of(slow, "slow", topic="pair"), incarnation="w3")
    task_id = await shop.publish("x", topic="pair")
    waiting = wait(shop, task_id)
    assert (await shop.results.wait(task_id, 5.0, "fast")).result == "fast"
    await shop.rest()
    assert not waiting.done()
    slow.let_go.set()
    result = await waiting
    assert result.result == {"fast": "fast", "slow": "x"}


async def test_a_task_that_one_agent_has_ended_costs_those_who_wait_nothing_more(shop: Workshop, handler: Gated):
    """Hints go on coming while the other agent works: they look when something has ended, not at each."""
    slow = Gated()
    await shop.start(
        agent_of(lambda payload: "fast", "fast", topic="pair"), agent_of(slow, "slow", topic="pair"), incarnation="w2"
    )
    task_id = await shop.publish("x", topic="pair")
    waiting = [wait(shop, task_id) for _ in range(20)]
    await shop.until(lambda: shop.state(task_id, "fast") == "succeeded")
    await shop.pass_time(3.0)
    before = shop.ports["queries"].calls["records"]
    await shop.pass_time(10.0)
    assert shop.ports["queries"].calls["records"] - before < 15, "one or so for each backstop, not twenty"
    slow.let_go.set()
    for each in waiting:
        assert (await each).result == {"fast": "fast", "slow": "x"}


async def test_a_task_ends_with_the_removal_of_its_last_agent_too(shop: Workshop, handler: Gated):
    """No run of it ends then, but those who wait are told."""
    await shop.start(agent_of(lambda payload: "fast", "fast", topic="pair"), incarnation="w2")
    await (await shop.start(agent_of(Gated(), "other", topic="pair"), incarnation="w3")).stop()
    await shop.control.stop([Subscription("pair", "other")])
    task_id = await shop.publish("x", topic="pair")
    waiting = wait(shop, task_id)
    await shop.until(lambda: shop.state(task_id, "fast") == "succeeded")
    await shop.pass_time(3.0)
    assert not waiting.done()
    await shop.control.remove(Subscription("pair", "other"))
    await shop.until(waiting.done, moving=0.25)
    assert waiting.result().status == "succeeded"


async def test_a_listener_that_dies_of_a_bug_leaves_nobody_waiting(shop: Workshop, handler: Gated):
    """Who waits without a limit gets an error, not silence; the next one is listened for again."""
    task_id = await shop.publish("x")
    waiting = [wait(shop, task_id, timeout=None) for _ in range(3)]
    await shop.rest()
    shop.ports["queries"].fail("ended", error=lambda: KeyError("a bug"))
    shop.clock.advance(1.0)
    for each in waiting:
        with pytest.raises(RuntimeError, match="nobody listens") as raised:
            await asyncio.wait_for(each, 5)
        assert isinstance(raised.value.__cause__, KeyError)
    handler.let_go.set()
    assert (await shop.results.wait(task_id, 5.0, None)).status == "succeeded"


async def test_no_hint_is_missed_between_the_first_look_and_the_wait(shop: Workshop, handler: Gated):
    """The listener is there before anybody looks."""
    task_id = await shop.publish("x")
    await shop.until(lambda: shop.state(task_id) == "running")
    look = shop.ports["queries"].hold("records")
    waiting = wait(shop, task_id)
    await shop.rest()
    assert len(shop.space.news._listeners) == 1
    look.set()
    handler.let_go.set()
    await asyncio.wait_for(waiting, 5)


async def test_closing_ends_every_wait(shop: Workshop, handler: Gated):
    """Who waits without a limit would else do so for ever."""
    waiting = wait(shop, await shop.publish("x"), timeout=None)
    await shop.rest()
    await shop.results.close()
    with pytest.raises(RuntimeError, match="nobody listens"):
        await asyncio.wait_for(waiting, 5)
