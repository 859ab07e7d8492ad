"""Gate calls that are repeated until the store has answered them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from omnidaemon.app.outages import Outages
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.requests import Request
from omnidaemon.ports.clock import Clock

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


class Persistence:
    """Repeats a call for as long as its failure may pass, with growing, jittered pauses. One call at a time."""

    def __init__(self, clock: Clock, outages: Outages) -> None:
        self._clock = clock
        self._outages = outages

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The answer of the first attempt that gets through; an error that cannot pass is raised."""
        pause = _FIRST_PAUSE_SECONDS
        is_waiting = False
        try:
            while True:
                try:
                    answer = await attempt()
                except OmniDaemonError as error:
                    if not error.is_transient:
                        raise
                    is_waiting = True
                    self._outages.met(self, error)
                    await self._clock.wait(asyncio.Event(), pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                    continue
                if is_waiting:
                    self._outages.answered(self)
                return answer
        finally:
            if is_waiting:
                self._outages.gave_up(self)  # where it is cancelled


class Lane:
    """One lane of a worker's gate calls: each gets the next request id, and keeps it while it is repeated."""

    def __init__(self, incarnation: str, name: str, clock: Clock, outages: Outages) -> None:
        self._request = Request(incarnation, name, 0)
        self._persistence = Persistence(clock, outages)
        self._is_free = asyncio.Event()
        self._is_free.set()
        self._is_closed = False

    async def call(self, gate: Callable[[Request], Awaitable[T]]) -> T:
        """The gate's answer. One call at a time. Once the lane is closed a caller is as good as cancelled."""
        if self._is_closed:
            raise asyncio.CancelledError
        request = self._request = self._request.next()
        self._is_free.clear()
        try:
            return await self._persistence.call(lambda: gate(request))
        finally:
            self._is_free.set()

    def close(self) -> None:
        """Let no further call begin; one that is under way goes on."""
        self._is_closed = True

    async def answered(self) -> None:
        """Return once no call is under way, and its caller has what it was answered."""
        await self._is_free.wait()
