"""What waits for a slot of its agent, and what is begun in it."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.app.bridge import StopReason
from omnidaemon.domain.outcome import Interrupted, Returned
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.workshop import agent_of


class Doors:
    """A handler that returns when it is let go, and notes who came in."""

    def __init__(self) -> None:
        self.entered: list[object] = []
        self.doors: dict[object, asyncio.Event] = {}

    async def handle(self, payload: object) -> object:
        self.entered.append(payload)
        await self.doors.setdefault(payload, asyncio.Event()).wait()
        return payload

    def open(self, payload: object) -> None:
        """Let this one return."""
        self.doors.setdefault(payload, asyncio.Event()).set()


def given(bench: ExecutorBench, doors: Doors, count: int, **policy):
    agent = agent_of(doors.handle, concurrency=2, **policy)
    assignments = [bench.assignment(agent, number) for number in range(count)]
    bench.executor.assign(assignments)
    return assignments


async def test_no_more_handlers_run_than_the_agent_has_slots(bench: ExecutorBench):
    """The others wait their turn, in order, and start as slots become free."""
    doors = Doors()
    assignments = given(bench, doors, 4)
    await bench.turns()
    assert doors.entered == [0, 1]
    assert list(bench.executor.waiting(assignments[0].agent.subscription)) == assignments[2:]
    doors.open(1)
    await bench.outcome(assignments[1])
    await bench.turns()
    assert doors.entered == [0, 1, 2]
    for number in (0, 2, 3):
        doors.open(number)
    assert [await bench.outcome(each) for each in assignments] == [
        Returned(value=str(number).encode()) for number in range(4)
    ]
    assert not bench.executor.waiting(assignments[0].agent.subscription)


async def test_each_agent_has_slots_of_its_own(bench: ExecutorBench):
    """One whose slots are taken holds nobody else up."""
    busy, other = Doors(), Doors()
    given(bench, busy, 3)
    bench.executor.assign([bench.assignment(agent_of(other.handle, "other", concurrency=1), "x")])
    await bench.turns()
    assert (busy.entered, other.entered) == ([0, 1], ["x"])


async def test_what_is_taken_back_is_never_started_nor_reported(bench: ExecutorBench):
    """What has been started by then stays where it is."""
    doors = Doors()
    assignments = given(bench, doors, 4)
    await bench.turns()
    assert bench.executor.take_back(assignments) == assignments[2:]
    for number in range(4):
        doors.open(number)
    for each in assignments[:2]:
        await bench.outcome(each)
    await bench.turns()
    assert doors.entered == [0, 1]
    assert bench.reported(assignments[2]) == bench.reported(assignments[3]) == []


async def test_what_is_stopped_while_it_waits_is_told_without_a_start(bench: ExecutorBench):
    """Cancelled by a person, or given back by a worker that leaves."""
    doors = Doors()
    assignments = given(bench, doors, 5)
    await bench.turns()
    bench.stop(assignments[2])
    bench.stop(assignments[3], StopReason.DRAINING)
    await bench.turns()
    assert bench.reported(assignments[2]) == [Interrupted(is_requested=True)]
    assert bench.reported(assignments[3]) == [Interrupted(is_requested=False)]
    bench.executor.close()
    await bench.turns(6)
    assert bench.reported(assignments[4]) == [Interrupted(is_requested=False)]
    assert doors.entered == [0, 1]


@pytest.mark.parametrize("before", [None, StopReason.REQUESTED, StopReason.TIMED_OUT])
async def test_the_slot_of_a_lost_run_is_free(bench: ExecutorBench, before: StopReason | None):
    """It is another worker's by now, whatever its handler does with the cancellation, and was stopped for before."""
    stays = asyncio.Event()
    entered: list[object] = []

    async def stubborn(payload: object) -> None:
        entered.append(payload)
        while not stays.is_set():
            try:
                await stays.wait()
            except asyncio.CancelledError:
                continue

    agent = agent_of(stubborn, concurrency=1)
    lost, follower = (bench.assignment(agent, number) for number in range(2))
    bench.executor.assign([lost, follower])
    await bench.turns()
    assert entered == [0]
    if before is not None:
        bench.stop(lost, before)
        await bench.turns()
        assert entered == [0], "it keeps its slot as long as it is this worker's"
    bench.stop(lost, StopReason.LOST)
    await bench.turns()
    assert entered == [0, 1]
    stays.set()
    await bench.outcome(follower)
    await bench.turns()
    third, fourth = (bench.assignment(agent, number) for number in (2, 3))
    stays.clear()
    bench.executor.assign([third, fourth])
    await bench.turns()
    assert entered == [0, 1, 2], "the slot was given back once, not twice"
    stays.set()
    await bench.outcome(fourth)


async def test_a_newer_grant_of_a_run_takes_the_slot_of_the_older_one(bench: ExecutorBench):
    """Also where the older one goes on, as its agent wants it."""
    doors = Doors()
    agent = agent_of(doors.handle, concurrency=1, on_lost_lease="finish")
    older, newer = (
        bench.assignment(agent, name, task_id="t9", fence=fence) for fence, name in enumerate(("older", "newer"), 1)
    )
    bench.executor.assign([older])
    await bench.turns()
    bench.executor.assign([newer])
    await bench.turns()
    assert doors.entered == ["older", "newer"]
    for name in doors.entered:
        doors.open(name)
    assert await bench.outcome(older) == Returned(value=b'"older"')
    assert await bench.outcome(newer) == Returned(value=b'"newer"')


async def test_a_newer_grant_that_began_with_those_before_it_stays(bench: ExecutorBench):
    """Two grants of a run may both wait when slots become free, before the loop has heard of either."""
    doors = Doors()
    agent = agent_of(doors.handle, concurrency=3)
    first = bench.assignment(agent, "first")
    older, newer = (
        bench.assignment(agent, name, task_id="t9", fence=fence) for fence, name in enumerate(("older", "newer"), 1)
    )
    for each in (first, older, newer):
        bench.executor.assign([each])
    await bench.turns()
    for name in ("first", "newer"):
        doors.open(name)
    assert await bench.outcome(first) == Returned(value=b'"first"')
    assert await bench.outcome(newer) == Returned(value=b'"newer"')
    assert await bench.outcome(older) == Interrupted(is_requested=False)
