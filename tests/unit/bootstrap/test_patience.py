"""Starting before bus and store are there."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.bootstrap.patience import once_there
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.patience import eventually
from tests.unit.app.faults import Sayings


class Attempts:
    """Fails with these, one after the other, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.count = 0
        self.waits = 0
        self.clock = ManualClock()
        self.says = Sayings()

    async def begin(self) -> str:
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return "there"

    def note_waiting(self) -> None:
        self.waits += 1

    def run(self) -> asyncio.Task[str]:
        return asyncio.create_task(once_there(self.begin, self.clock, self.says, self.note_waiting))

    async def has_tried(self, times: int) -> None:
        """Return once it has tried so often and waits."""

        async def look() -> bool:
            return self.count == times and self.clock.waiting == 1

        await eventually(look)


def away(number: int = 0) -> BackendUnavailable:
    return BackendUnavailable("redis", "somewhere", f"away {number}")


async def test_what_is_there_is_used_without_a_word():
    attempts = Attempts()
    assert await attempts.run() == "there"
    assert (attempts.count, attempts.waits, attempts.says.lines) == (1, 0, [])


async def test_tried_again_at_growing_pauses_and_told_once():
    """However its reason varies; then that it answers."""
    attempts = Attempts(*(away(number) for number in range(8)))
    running = attempts.run()
    for count in range(1, 9):
        await attempts.has_tried(count)
        attempts.clock.advance(min(0.5 * 2 ** (count - 1), 5) * 0.79)
        await asyncio.sleep(0)
        assert attempts.count == count
        attempts.clock.advance(min(0.5 * 2 ** (count - 1), 5) * 0.42)
    assert await running == "there"
    assert attempts.waits == 1
    assert [line for _, line in attempts.says.lines] == [
        "not started yet: redis at somewhere: away 0; trying again until it answers",
        "bus and store answer now",
    ]


async def test_a_long_absence_is_told_of_again():
    attempts = Attempts(*(away(number) for number in range(300)))
    running = attempts.run()
    for count in range(1, 130):
        await attempts.has_tried(count)
        attempts.clock.advance(6)
    assert len(attempts.says.having("not started yet")) == 2
    running.cancel()


@pytest.mark.parametrize("failure", [BackendUnusable("redis", "somewhere", "newer"), ValueError("a bug")])
async def test_what_nobody_mends_by_waiting_is_raised_at_once(failure):
    attempts = Attempts(failure)
    with pytest.raises(type(failure)):
        await attempts.run()
    assert (attempts.count, attempts.waits) == (1, 0)


async def test_raised_also_when_it_comes_after_an_absence():
    attempts = Attempts(away(), BackendUnusable("redis", "somewhere", "newer"))
    running = attempts.run()
    await attempts.has_tried(1)
    attempts.clock.advance(1)
    with pytest.raises(BackendUnusable):
        await running
