"""Wake-ups between the loops and threads of one process."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import Wakeups


class Bell:
    """Rung from any thread; every listener hears it once, however often it was rung meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: set[BellListener] = set()

    def ring(self) -> None:
        """Wake every listener."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.notify()

    def listen(self) -> BellListener:
        """A listener for the running loop; close it after use."""
        listener = BellListener(self, self._clock)
        with self._lock:
            self._listeners.add(listener)
        return listener

    def forget(self, listener: BellListener) -> None:
        """Ring this listener no more."""
        with self._lock:
            self._listeners.discard(listener)


class BellListener(Wakeups):
    """One loop's ear."""

    def __init__(self, bell: Bell, clock: Clock) -> None:
        self._bell = bell
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Called by the bell, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> bool:
        heard = await self._clock.wait(self._event, seconds)
        self._event.clear()
        return heard

    def close(self) -> None:
        self._bell.forget(self)
        self._event.set()
