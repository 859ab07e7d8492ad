"""Tasks that are added at once are added together; nobody pays for another's failure to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from omnidaemon.app.joined_log import JoinedLog
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.task import Task
from omnidaemon.ports.task_log import Reservation, TaskLog
from omnidaemon.testing.clock import ManualClock


class GatedLog(TaskLog):
    """Holds each call until it is let go, and keeps what came."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.let_go = asyncio.Event()
        self.failure: Exception | None = None

    async def add(self, tasks: Sequence[Task]) -> None:
        self.calls.append([task.task_id for task in tasks])
        await self.let_go.wait()
        if self.failure is not None:
            raise self.failure

    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        raise NotImplementedError

    async def confirm(self, task_ids: Sequence[str]) -> None:
        raise NotImplementedError

    async def unconfirmed(self, older_than_seconds: float, limit: int) -> Sequence[Task]:
        raise NotImplementedError


def task(name: str) -> Task:
    return Task(task_id=name, topic="greet.user", payload=b"1", created_at=ManualClock().now().at)


@pytest.fixture
def log() -> GatedLog:
    return GatedLog()


async def begun(joined: JoinedLog, *names: str) -> list[asyncio.Task[None]]:
    """Each added by a caller of its own, in order, as far as they come."""
    callers = [asyncio.create_task(joined.add([task(name)])) for name in names]
    for _ in range(5):
        await asyncio.sleep(0)
    return callers


async def test_what_comes_during_a_call_goes_with_the_next_one(log: GatedLog):
    """A hundred callers, two calls."""
    names = [f"t{number}" for number in range(100)]
    callers = await begun(JoinedLog(log), *names)
    log.let_go.set()
    await asyncio.gather(*callers)
    assert log.calls == [names[:1], names[1:]]


async def test_who_is_alone_calls_at_once(log: GatedLog):
    """One after the other, one call each."""
    joined = JoinedLog(log)
    log.let_go.set()
    for name in ("t1", "t2"):
        await joined.add([task(name)])
    assert log.calls == [["t1"], ["t2"]]


async def test_many_tasks_are_added_in_steps(log: GatedLog):
    """No call keeps the store from everybody else for as long as two hundred thousand tasks take."""
    names = [f"t{number}" for number in range(1200)]
    log.let_go.set()
    await JoinedLog(log).add([task(name) for name in names])
    assert [len(call) for call in log.calls] == [500, 500, 200]
    assert [name for call in log.calls for name in call] == names


async def test_a_failure_is_told_to_all_that_went_together(log: GatedLog):
    """And the log can be used again afterwards."""
    joined = JoinedLog(log)
    callers = await begun(joined, "t1", "t2", "t3")
    log.failure = BackendUnavailable("fake", "nowhere", "it is away")
    log.let_go.set()
    assert await asyncio.gather(*callers, return_exceptions=True) == [log.failure] * 3
    log.failure = None
    await joined.add([task("t4")])
    assert log.calls == [["t1"], ["t2", "t3"], ["t4"]]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_caller_takes_no_other_along(log: GatedLog, cancelled):
    """Whether it is the one that calls or one that waits."""
    joined = JoinedLog(log)
    callers = await begun(joined, "t1", "t2", "t3")
    callers[cancelled].cancel()
    log.let_go.set()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [n == cancelled for n in range(3)]
    assert log.calls == [["t1"], ["t2", "t3"]]
    await joined.add([task("t4")])
    assert log.calls[-1] == ["t4"]
