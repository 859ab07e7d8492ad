"""The machine's clock, and ids made from it."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from omnidaemon.domain.instant import Instant
from omnidaemon.ports.clock import Clock, IdSource

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT = "unknown"
_LOW = (1 << 62) - 1
_VARIANT = 0b10 << 62


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
        self._high = -1
        self._beginning = ""

    def new_id(self) -> str:
        with self._lock:
            milliseconds = time.time_ns() // 1_000_000
            if milliseconds > self._latest >> 74:
                self._latest = milliseconds << 74 | int.from_bytes(os.urandom(10)) >> 6
            else:
                self._latest += 1 + int.from_bytes(os.urandom(4))
            return self._text(self._latest)

    def new_ids(self, count: int) -> list[str]:
        if count < 1:
            return []
        texts = [self.new_id()]
        steps = struct.unpack(f"{count - 1}I", os.urandom(4 * (count - 1)))
        with self._lock:
            for step in steps:
                self._latest += 1 + step
                texts.append(self._text(self._latest))
        return texts

    def _text(self, number: int) -> str:
        high = number >> 62
        if high != self._high:  # seldom: it is the same for all that are made at about the same time
            text = f"{high >> 12:012x}"
            self._high, self._beginning = high, f"{text[:8]}-{text[8:]}-7{high & 0xFFF:03x}"
        return f"{self._beginning}-{(_VARIANT | number & _LOW).to_bytes(8, 'big').hex('-', 6)}"
