"""Time and identity in a test's hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from datetime import UTC, datetime, timedelta

import attrs

from omnidaemon.domain.instant import Instant
from omnidaemon.ports.clock import Clock, IdSource

_BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)


@attrs.frozen(eq=False)
class _Waiter:
    """Somebody who waits on a loop of their own until the steady clock reads `deadline`."""

    deadline: float
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event


class ManualClock(Clock):
    """A clock that stands still until a test moves it. Usable from any thread and by any number of event loops."""

    def __init__(self, at: datetime = _BEGINNING, steady: float = 1000.0, boot_id: str = "manual") -> None:
        self._now = Instant(at, steady)
        self._boot_id = boot_id
        self._lock = threading.Lock()
        self._waiters: set[_Waiter] = set()

    @property
    def boot_id(self) -> str:
        """As given: a test that simulates a reboot makes a second clock of another name."""
        return self._boot_id

    def now(self) -> Instant:
        """Where the test has moved it."""
        with self._lock:
            return self._now

    @property
    def waiting(self) -> int:
        """How many waits are under way: a test that sees one knows that its subject has come to rest."""
        with self._lock:
            return len(self._waiters)

    def advance(self, seconds: float) -> None:
        """Let time pass; every wait whose time is over ends, on its own loop."""
        if seconds < 0:
            raise ValueError("steady time never goes back; set_wall() moves the wall clock")
        with self._lock:
            self._now = Instant(self._now.after(seconds), self._now.steady + seconds)
            over = [waiter for waiter in self._waiters if waiter.deadline <= self._now.steady]
        for waiter in over:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                waiter.loop.call_soon_threadsafe(waiter.woken.set)

    def set_wall(self, delta: timedelta) -> None:
        """Let the wall clock jump, as an administrator or a time server does; steady time does not notice."""
        with self._lock:
            self._now = Instant(self._now.at + delta, self._now.steady)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Ends with the event, or when the test has let the seconds pass."""
        if event.is_set():
            return True
        if seconds <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        with self._lock:
            waiter = _Waiter(self._now.steady + seconds, asyncio.get_running_loop(), asyncio.Event())
            self._waiters.add(waiter)
        either = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(waiter.woken.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._waiters.discard(waiter)
            for each in either:
                each.cancel()
        return event.is_set()


class SequentialIds(IdSource):
    """Ids that a test can foretell: `id-00000001`, `id-00000002` and so on."""

    def __init__(self, prefix: str = "id") -> None:
        self._prefix = prefix
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """The next number."""
        return f"{self._prefix}-{next(self._numbers):08d}"
