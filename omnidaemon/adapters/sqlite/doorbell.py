"""A wake-up for those who wait for something in one file: other tasks, event loops, threads and processes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from omnidaemon.adapters.sqlite.fifo import Fifo, ForeignFifos

_FOR_EVERYBODY: Final = b"!"
_FOR_FOLLOWERS: Final = b"."
"""What another process hears of a ring."""


class Ring(IntEnum):
    """Whom a ring is for: those who follow what happens hear each one."""

    NOBODY = 0
    FOLLOWERS = 1
    EVERYBODY = 2


class Doorbell:
    """Ring from any thread, listen on any event loop.

    A ring says no more than "look again". It may be lost (a full disk, a process that dies between its commit and its
    ring, Windows, which has no FIFOs), so whoever listens also looks by itself from time to time; it is never late by
    more than that. Rings that come close together may arrive as one.

    Within the process a ring goes straight to each listening loop. Each of those also owns a FIFO in the folder, into
    which other processes write one byte.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder of the FIFOs; it must exist when the first one listens."""
        self._folder = folder
        self._guard = threading.Lock()
        self._ears: dict[asyncio.AbstractEventLoop, _Ear] = {}
        self._foreign = ForeignFifos(folder)

    def ring(self, ring: Ring = Ring.EVERYBODY) -> None:
        """Wake those whom it is for; never waits and never fails. Costs one stat(2) while nobody else listens."""
        with self._guard:
            ears = tuple(self._ears.values())
            besides = {ear.fifo.name for ear in ears if ear.fifo is not None}
            self._foreign.ring(_FOR_EVERYBODY if ring is Ring.EVERYBODY else _FOR_FOLLOWERS, besides=besides)
        for ear in ears:
            if ring is Ring.EVERYBODY or ear.followers:
                ear.wake_soon(ring)

    def listen(self, *, follows: bool = False) -> Listener:
        """Give the running event loop's task a listener of its own; close it, or use it by `with`. One that `follows`
        hears what is for followers too."""
        loop = asyncio.get_running_loop()
        with self._guard:
            ear = self._ears.get(loop)
            if ear is None:
                self._forget_dead_loops()
                ear = self._ears[loop] = _Ear(loop, self._folder)
            ear.get_fifo()
            listener = Listener(loop, self._stop_listening, follows=follows)
            ear.listeners.add(listener)
            ear.followers += follows
        return listener

    def close(self) -> None:
        """Remove this process's FIFOs. Callable from any thread; listeners hear nothing from now on."""
        with self._guard:
            ears = tuple(self._ears.values())
            self._ears.clear()
            self._foreign.close()
        for ear in ears:
            ear.close_soon()

    def _stop_listening(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        with self._guard:
            ear = self._ears.get(loop)
            if ear is None:
                return
            if listener in ear.listeners:
                ear.listeners.discard(listener)
                ear.followers -= listener.follows
            if ear.listeners:
                return
            del self._ears[loop]
        ear.close()

    def _forget_dead_loops(self) -> None:
        for loop in [loop for loop in self._ears if loop.is_closed()]:
            self._ears.pop(loop).close()


class Listener:
    """One consumer's view of the doorbell, for one task of one event loop.

    Look, then `wait`, then look again: a ring that comes after a `wait` has returned, even in the middle of looking,
    makes the next one return at once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_close: Callable[[Listener, asyncio.AbstractEventLoop], None],
        *,
        follows: bool = False,
    ) -> None:
        self.follows = follows
        self._loop = loop
        self._on_close = on_close
        self._is_rung = False
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self, at_most_seconds: float) -> bool:
        """Return True when the bell has rung since the last call returned, False when the time is up.

        Cancelling it loses no ring.
        """
        if not self._is_rung:
            waiter = self._waiter = self._loop.create_future()
            timer = self._loop.call_later(at_most_seconds, _release, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        is_rung, self._is_rung = self._is_rung, False
        return is_rung

    def hear(self) -> None:
        """Take note of a ring; called on the listener's own loop."""
        self._is_rung = True
        if self._waiter is not None:
            _release(self._waiter)

    def close(self) -> None:
        """Stop listening; the last listener of a loop removes its FIFO. Called on the listener's own loop."""
        self._on_close(self, self._loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Ear:
    """What one event loop hears with. Its listeners are touched on its loop alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        self._loop = loop
        self._folder = folder
        self._waking: set[Ring] = set()
        self.followers = 0
        self.listeners: set[Listener] = set()
        self.fifo: Fifo | None = None

    def get_fifo(self) -> None:
        """Make the FIFO, unless there is one; without it, only this process is heard."""
        fifo = self.fifo or Fifo.made_in(self._folder)
        if fifo is None or fifo is self.fifo:
            return
        try:
            self._loop.add_reader(fifo.descriptor, self._hear_fifo)
        except NotImplementedError:  # a loop that cannot watch files, as Windows' Proactor
            fifo.close()
        else:
            self.fifo = fifo

    def wake_soon(self, ring: Ring) -> None:
        if Ring.EVERYBODY in self._waking or ring in self._waking:
            return
        self._waking.add(ring)
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody listens there
            self._loop.call_soon_threadsafe(self._wake, ring)

    def close_soon(self) -> None:
        """Close from any thread; a selector must be told on its own loop before the descriptor goes."""
        if self.fifo is not None:
            self.fifo.unlink()
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:
            self.close()

    def close(self) -> None:
        if self.fifo is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self.fifo.descriptor)
            self.fifo.close()
            self.fifo = None

    def _hear_fifo(self) -> None:
        fifo = self.fifo
        if fifo is None:
            return
        told = fifo.drain()
        is_for_all = _FOR_EVERYBODY in told or len(told) >= fifo.capacity
        self._wake(Ring.EVERYBODY if is_for_all else Ring.FOLLOWERS)

    def _wake(self, ring: Ring) -> None:
        self._waking.discard(ring)
        for listener in self.listeners:
            if listener.follows or ring is Ring.EVERYBODY:
                listener.hear()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
