"""What every Clock and every IdSource keeps."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC

import pytest

from omnidaemon.ports.clock import Clock, IdSource


class ClockContract:
    """A subclass overrides `make_clock`."""

    pytestmark = pytest.mark.asyncio

    def make_clock(self) -> Clock:
        """The clock under test."""
        raise NotImplementedError(f"{type(self).__name__}.make_clock(): return your clock")

    async def pass_time(self, clock: Clock, seconds: float) -> None:  # noqa: ARG002 - for those who move their clock
        """Let time pass for this clock; a real one only needs waiting."""
        await asyncio.sleep(seconds)

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock under test."""
        return self.make_clock()

    async def test_clock_reads_utc_and_never_goes_back(self, clock: Clock) -> None:
        """Wall time is aware and in UTC; steady time grows with the time that passes."""
        before = clock.now()
        await self.pass_time(clock, 0.05)
        after = clock.now()
        assert before.at.tzinfo is UTC
        assert 0.04 < after.steady - before.steady < 10
        assert clock.now().steady >= after.steady

    async def test_clock_names_its_boot(self, clock: Clock) -> None:
        """The same name for every clock of this boot."""
        assert clock.boot_id
        assert self.make_clock().boot_id == clock.boot_id

    async def test_wait_ends_with_the_event(self, clock: Clock) -> None:
        """At once when it is set already or gets set; the event stays set."""
        event = asyncio.Event()
        waiting = asyncio.ensure_future(clock.wait(event, 60))
        await asyncio.sleep(0)
        event.set()
        assert await asyncio.wait_for(waiting, 10)
        assert await asyncio.wait_for(clock.wait(event, 60), 10)
        assert event.is_set()

    async def test_wait_ends_with_its_time(self, clock: Clock) -> None:
        """Without the event, False; at once when there is no time to wait."""
        event = asyncio.Event()
        assert not await asyncio.wait_for(clock.wait(event, 0), 10)
        assert not await asyncio.wait_for(clock.wait(event, -1), 10)
        waiting = asyncio.ensure_future(clock.wait(event, 0.05))
        await asyncio.sleep(0)
        await self.pass_time(clock, 0.06)
        assert not await asyncio.wait_for(waiting, 10)

    async def test_wait_can_be_cancelled(self, clock: Clock) -> None:
        """And leaves nothing behind that would take a later event."""
        event = asyncio.Event()
        waiting = asyncio.ensure_future(clock.wait(event, 60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        event.set()
        assert await clock.wait(event, 60)

    async def test_clock_reads_from_any_thread(self, clock: Clock) -> None:
        """A reading needs no event loop."""
        readings: list[float] = []
        threads = [threading.Thread(target=lambda: readings.append(clock.now().steady)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        assert len(readings) == 4


class IdSourceContract:
    """A subclass overrides `make_ids`."""

    def make_ids(self) -> IdSource:
        """The source under test."""
        raise NotImplementedError(f"{type(self).__name__}.make_ids(): return your id source")

    def test_ids_are_unique_and_sort_by_their_making(self) -> None:
        """Ten thousand in a row are in order, without a double."""
        ids = self.make_ids()
        made = [ids.new_id() for _ in range(10_000)]
        assert made == sorted(set(made))

    def test_many_ids_at_once_are_in_order_too(self) -> None:
        """As many as asked for, before and after others."""
        ids = self.make_ids()
        made = [ids.new_id(), *ids.new_ids(1000), ids.new_id(), *ids.new_ids(1), *ids.new_ids(0), ids.new_id()]
        assert len(made) == 1004
        assert made == sorted(set(made))

    def test_ids_are_unique_over_threads(self) -> None:
        """Four threads never get the same one."""
        ids = self.make_ids()
        made: list[str] = []
        threads = [threading.Thread(target=lambda: made.extend([ids.new_id() for _ in range(2_000)])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(made)) == 8_000
