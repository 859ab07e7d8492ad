"""The machine's clock and its ids."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from omnidaemon.adapters.system import SystemClock, Uuid7Ids


def test_now_is_aware_utc_and_the_steady_clock_goes_on():
    """Wall time is in UTC; steady readings never go back."""
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.at.tzinfo is UTC
    assert abs(first.at - datetime.now(UTC)) < timedelta(seconds=5)
    assert second.steady >= first.steady > 0


def test_the_boot_has_one_name():
    """All clocks of a machine agree on the boot, as long as it lasts."""
    assert SystemClock().boot_id == SystemClock().boot_id != ""


async def test_wait_says_whether_the_event_was_set():
    """True as soon as it is set, False after the time; the event is left as it is."""
    clock, event = SystemClock(), asyncio.Event()
    assert await clock.wait(event, 0.001) is False
    asyncio.get_running_loop().call_soon(event.set)
    assert await clock.wait(event, 30) is True
    assert await clock.wait(event, 0) is True
    assert event.is_set()


async def test_waiting_for_no_time_lets_others_run():
    """A loop around it cannot hold the event loop."""
    clock, event = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await clock.wait(event, 0) is True


async def test_a_cancelled_wait_is_cancelled():
    """Cancellation is never taken for a time-out."""
    waiting = asyncio.create_task(SystemClock().wait(asyncio.Event(), 30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_ids_are_canonical_uuids_of_version_7():
    """Version, variant and time stand where RFC 9562 puts them."""
    before = time.time_ns() // 1_000_000
    text = Uuid7Ids().new_id()
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_strictly_increase_within_a_millisecond():
    """Sorted by text they stand in the order in which they were made."""
    ids = Uuid7Ids()
    made = [ids.new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_increase_when_the_clock_is_set_back():
    """An id never sorts before an earlier one."""
    ids = Uuid7Ids()
    tomorrow = (time.time_ns() // 1_000_000 + 86_400_000) << 74
    ids._latest = tomorrow | (1 << 74) - 1  # the last of its millisecond
    first, second = ids.new_id(), ids.new_id()
    assert first < second
    assert uuid.UUID(first).int >> 80 == (tomorrow >> 74) + 1


def test_ids_of_several_threads_differ():
    """One source serves all threads."""
    ids, made = Uuid7Ids(), list[list[str]]()
    threads = [threading.Thread(target=lambda: made.append([ids.new_id() for _ in range(2_000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({text for mine in made for text in mine}) == 8_000
