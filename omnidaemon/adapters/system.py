"""The machine's clock, and ids made from it."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from omnidaemon.domain.instant import Instant
from omnidaemon.ports.clock import Clock, IdSource

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT = "unknown"


def _steady_seconds() -> float:
    # Unlike the monotonic clock of most systems it goes on while the machine sleeps, as a lease does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock(Clock):
    """The steady clock is the one that counts from the boot on, sleep included, where the system has it.

    Without a `boot_id` (outside Linux) every boot has the same name, and only the rule that no lease reaches further
    than its own length keeps a reading of an earlier boot from being believed.
    """

    def __init__(self) -> None:
        self._steady = _steady_seconds if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic

    @property
    def boot_id(self) -> str:
        try:
            return _BOOT_ID.read_text().strip() or _UNKNOWN_BOOT
        except OSError:
            return _UNKNOWN_BOOT

    def now(self) -> Instant:
        return Instant(datetime.now(UTC), self._steady())

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        if seconds <= 0:
            # A loop that waits for no time must still let others run.
            await asyncio.sleep(0)
            return event.is_set()
        try:
            async with asyncio.timeout(seconds):
                return await event.wait()
        except TimeoutError:
            return event.is_set()


class Uuid7Ids(IdSource):
    """UUIDs of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then 74 random bits. Thread-safe.

    Strictly increasing within a process: in a millisecond that has an id already, the next is the one before plus a
    random step (section 6.2, method 2), whose carry runs into the milliseconds. So it holds too when the clock is set
    back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = 0

    def new_id(self) -> str:
        with self._lock:
            milliseconds = time.time_ns() // 1_000_000
            if milliseconds > self._latest >> 74:
                fresh = milliseconds << 74 | secrets.randbits(74)
            else:
                fresh = self._latest + 1 + secrets.randbits(32)
            self._latest = fresh
        milliseconds, high, low = fresh >> 74, fresh >> 62 & 0xFFF, fresh & (1 << 62) - 1
        text = f"{milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
