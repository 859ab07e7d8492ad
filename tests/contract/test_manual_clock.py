"""The clock that tests move, beyond what every clock keeps: jumps, threads, several loops."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.patience import eventually


def test_advance_moves_wall_and_steady_time():
    """Together, and never back."""
    clock = ManualClock()
    before = clock.now()
    clock.advance(2.5)
    after = clock.now()
    assert (after.at - before.at, after.steady - before.steady) == (timedelta(seconds=2.5), 2.5)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


def test_set_wall_moves_wall_time_alone():
    """As when somebody sets the machine's clock."""
    clock = ManualClock()
    before = clock.now()
    clock.set_wall(timedelta(hours=-1))
    after = clock.now()
    assert (after.at - before.at, after.steady) == (timedelta(hours=-1), before.steady)


async def test_wait_ends_only_when_its_time_has_come(manual_clock):
    """Whatever real time passes; each waiter at its own deadline."""
    event = asyncio.Event()
    short = asyncio.ensure_future(manual_clock.wait(event, 1))
    long = asyncio.ensure_future(manual_clock.wait(event, 5))

    async def waiting():
        return manual_clock.waiting

    await eventually(waiting, lambda count: count == 2)
    manual_clock.advance(0.9)
    await asyncio.sleep(0)
    assert not short.done()
    manual_clock.advance(0.2)
    assert await asyncio.wait_for(short, 10) is False
    assert not long.done()
    event.set()
    assert await asyncio.wait_for(long, 10) is True
    assert manual_clock.waiting == 0


def test_advance_wakes_waiters_on_every_loop():
    """From a thread that runs none of them."""
    clock = ManualClock()
    answers = []

    def sleeper():
        answers.append(asyncio.run(clock.wait(asyncio.Event(), 10)))

    threads = [threading.Thread(target=sleeper) for _ in range(3)]
    for thread in threads:
        thread.start()

    async def waiting():
        return clock.waiting

    asyncio.run(eventually(waiting, lambda count: count == 3))
    clock.advance(10)
    for thread in threads:
        thread.join(10)
    assert answers == [False] * 3


async def test_eventually_gives_up_with_the_last_answer():
    """So that a failing test says what it saw instead."""

    async def look():
        return "not yet"

    with pytest.raises(AssertionError, match="the last answer was 'not yet'"):
        await eventually(look, lambda seen: seen == "done", within_seconds=0.02)


def test_ids_can_be_foretold(sequential_ids):
    """By their number."""
    assert [sequential_ids.new_id(), sequential_ids.new_id()] == ["id-00000001", "id-00000002"]
