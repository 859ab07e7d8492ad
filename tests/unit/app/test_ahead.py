"""What was begun ahead of its agent's slots is given back when these are not freed as soon as was foreseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from omnidaemon.app.agents import Agent
from omnidaemon.app.ahead import AheadWatch
from omnidaemon.app.bridge import Assignment
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.task import Task
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.worker import ScriptedWorker
from tests.unit.app.desk import Crew
from tests.unit.app.test_custody import GREETER, grant
from tests.unit.app.workshop import Workshop, agent_of


async def turns() -> None:
    """Let the loop turn a few times."""
    for _ in range(5):
        await asyncio.sleep(0)


class Desk:
    """A custody with two slots, a crew whose handlers never return, and the watch over both."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.agent = agent_of(len, concurrency=2)
        self.custody = Custody({GREETER: self.agent})
        self.crew = Crew()
        self.given_back: list[Holding] = []
        self.watch = AheadWatch(
            custody=self.custody,
            workforce=self.crew,
            clock=self.clock,
            give_back=self.given_back.extend,
            subscriptions=[GREETER],
        )

    def take(self, *names: str) -> list[Holding]:
        """Begin these, and hand them to the crew; only the first two have slots."""
        held = self.custody.add([grant(name) for name in names], self.clock.now().steady, is_fresh=True)
        first = len(self.custody) - len(held)
        self.crew.waits += [
            Assignment(each.grant, cast("Task", each.grant.task), self.agent, None)
            for number, each in enumerate(held, first)
            if number >= 2
        ]
        self.watch.notice()
        return held

    async def let_pass(self, seconds: float) -> None:
        """Let time pass, once everybody has come to rest; and let everybody come to rest again."""
        await turns()
        self.clock.advance(seconds)
        await turns()

    def speed_up(self) -> None:
        """Let the agent look fast."""
        pace = self.custody._shares[GREETER].pace
        pace.ahead = 10


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """One whose watch runs."""
    desk = Desk()
    desk.speed_up()
    running = asyncio.create_task(desk.watch.run())
    yield desk
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_waits_for_a_second_is_everybodys_again(desk: Desk):
    """And nothing more is taken in ahead of the slots of an agent that has slowed down."""
    held = desk.take("t1", "t2", "t3", "t4")
    assert desk.custody.free(GREETER) == 8
    await desk.let_pass(0.5)
    assert not desk.given_back
    await desk.let_pass(0.6)
    assert desk.given_back == held[2:]
    assert not desk.crew.waits
    desk.custody.remove(holding.key for holding in desk.given_back)
    assert desk.custody.free(GREETER) == 0


async def test_what_has_started_by_then_stays(desk: Desk):
    """A slot became free in time."""
    desk.take("t1", "t2", "t3")
    await desk.let_pass(0.5)
    desk.crew.waits.clear()
    await desk.let_pass(5.0)
    assert not desk.given_back


async def test_what_came_later_has_its_own_time(desk: Desk):
    """The first that waits is what counts."""
    desk.take("t1", "t2", "t3")
    await desk.let_pass(0.9)
    desk.crew.waits.clear()
    fourth = desk.take("t4")
    await desk.let_pass(0.5)
    assert not desk.given_back
    await desk.let_pass(2.0)
    assert desk.given_back == fourth


async def test_one_that_leaves_gives_back_at_once_what_has_no_slot(desk: Desk):
    """Nothing more is to be started there."""
    held = desk.take("t1", "t2", "t3", "t4")
    desk.watch.stop()
    assert desk.given_back == held[2:]


async def test_an_older_grant_is_not_given_back_for_a_newer_one(desk: Desk):
    """What custody holds by now is another grant of the run, and waits on its own account."""
    desk.take("t1", "t2", "t3")
    (stale,) = desk.crew.waits
    desk.custody.add([grant("t3", fence=2)], desk.clock.now().steady, is_fresh=False)
    desk.watch.stop()
    assert stale not in desk.crew.waits
    assert not desk.given_back


async def test_without_any_ahead_of_its_slots_nobody_looks(desk: Desk):
    """An agent within its slots is left alone, however long its handlers take."""
    desk.take("t1", "t2")
    await desk.let_pass(10.0)
    assert not desk.given_back
    assert not desk.watch._has_some.is_set()


# --- with all of the engine ------------------------------------------------------------------------------------------


class Slowing:
    """A handler that returns at once until it is told to take its time."""

    def __init__(self) -> None:
        self.is_slow = False
        self.entered: list[object] = []
        self.may_return = asyncio.Event()

    async def handle(self, payload: object) -> object:
        self.entered.append(payload)
        if self.is_slow:
            await self.may_return.wait()
        return payload


async def fast(shop: Workshop, handler: Slowing, count: int = 40) -> None:
    """Have so many tasks handled, one or two each hundredth of a second."""
    for number in range(0, count, 2):
        await shop.publish(number)
        await shop.publish(number + 1)
        await shop.pass_time(0.01)
    await shop.until(lambda: len(handler.entered) == count)


async def test_a_fast_agent_with_one_slot_has_the_next_run_at_hand(shop: Workshop):
    """It is begun while the last one is handled; and one after the other is what the agent gets."""
    handler = Slowing()
    worker = await shop.start(agent_of(handler.handle, concurrency=1))
    await fast(shop, handler)
    handler.is_slow = True
    tasks = [await shop.publish(name) for name in "abc"]
    await shop.until(lambda: shop.state(tasks[1]) == "running")
    assert handler.entered[40:] == ["a"]
    assert worker.held == 1, "what waits for a slot is not said to run"
    handler.may_return.set()
    for task in tasks:
        await shop.ended(task)
    assert handler.entered[40:] == ["a", "b", "c"]


async def test_what_waits_behind_a_slow_one_goes_to_another_worker(shop: Workshop):
    """No attempt is counted, and the slow one stays where it is."""
    handler, other = Slowing(), Slowing()
    await shop.start(agent_of(handler.handle, concurrency=1))
    await fast(shop, handler)
    handler.is_slow = True
    slow, waits = [await shop.publish(name) for name in ("slow", "waits")]
    await shop.until(lambda: shop.state(waits) == "running")
    await shop.start(agent_of(other.handle, concurrency=1), incarnation="w2")
    result = await shop.ended(waits, moving=0.25)
    assert (result.status, other.entered) == ("succeeded", ["waits"])
    run = shop.run_of(waits)
    assert run is not None
    assert (run.attempts, run.crashes, run.fence) == (1, 0, 2)
    assert (shop.state(slow), handler.entered[40:]) == ("running", ["slow"])
    handler.may_return.set()
    await shop.ended(slow)


async def test_a_worker_that_leaves_starts_nothing_that_waits(shop: Workshop):
    """It is given back at once, while what runs may finish."""
    handler, other = Slowing(), Slowing()
    worker = await shop.start(agent_of(handler.handle, concurrency=1))
    await fast(shop, handler)
    handler.is_slow = True
    runs, waits = [await shop.publish(name) for name in ("runs", "waits")]
    await shop.until(lambda: shop.state(waits) == "running")
    leaving = asyncio.create_task(worker.stop())
    await shop.until(lambda: shop.state(waits) == "queued")
    handler.may_return.set()
    await shop.until(leaving.done, moving=0.25)
    assert shop.state(runs) == "succeeded"
    await shop.start(agent_of(other.handle, concurrency=1), incarnation="w2")
    await shop.ended(waits, moving=0.25)
    assert (handler.entered[40:], other.entered) == (["runs"], ["waits"])


async def with_due_runs(shop: Workshop, agent: Agent, count: int) -> None:
    """Start it where another worker has left so many tasks to the store, and the bus has them too."""
    await shop.registry.register([agent.profile])
    task_ids = [await shop.publish(number) for number in range(count)]
    tasks = [shop.space.tasks[task_id].task for task_id in task_ids]
    held = [HoldRun(task=task, subscription=agent.subscription) for task in tasks]
    await ScriptedWorker(shop.storage.runs, "w0", 30.0).begin(*held)
    await shop.start(agent)


async def test_due_runs_come_as_fast_as_slots_are_freed(shop: Workshop):
    """What was given back is not owed the pause between two looks for work, nor does it wait for fresh tasks of which
    there are none: the bus hands each of these out too, and has nothing more then."""
    handler = Slowing()
    agent = agent_of(handler.handle, concurrency=1)
    await with_due_runs(shop, agent, 100)
    started = shop.clock.now().steady
    await shop.until(lambda: len(handler.entered) == 100, moving=0.01)
    assert shop.clock.now().steady - started < 3.0


async def test_what_is_due_without_room_costs_few_calls(shop: Workshop):
    """Of an agent whose slots are taken for long, and of one that is stopped."""
    handler = Slowing()
    handler.is_slow = True
    agent = agent_of(handler.handle, concurrency=1)
    await with_due_runs(shop, agent, 3)
    await shop.until(lambda: handler.entered)
    before = shop.runs.calls["claim_due"]
    await shop.pass_time(3.0, step=0.05)
    assert shop.runs.calls["claim_due"] - before <= 3
    await shop.control.stop([agent.subscription])
    await shop.pass_time(6.0, step=0.05)
    handler.may_return.set()
    await shop.pass_time(3.0, step=0.05)
    before = shop.runs.calls["claim_due"]
    await shop.pass_time(10.0, step=0.05)
    assert shop.runs.calls["claim_due"] - before <= 5
    assert len(handler.entered) == 1
