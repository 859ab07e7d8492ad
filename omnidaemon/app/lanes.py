"""Gate calls that are repeated until the store has answered them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

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
    """One lane of a worker's gate calls: each gets the next request id, and keeps it while it is repeated.

    With `last_word_seconds`, a caller that is cancelled meanwhile still gets an answer that comes within that time, and
    is cancelled at its next wait: what the store has granted comes into somebody's hands.
    """

    def __init__(
        self, incarnation: str, name: str, clock: Clock, outages: Outages, *, last_word_seconds: float = 0.0
    ) -> None:
        self._request = Request(incarnation, name, 0)
        self._persistence = Persistence(clock, outages)
        self._last_word_seconds = last_word_seconds

    async def call(self, gate: Callable[[Request], Awaitable[T]]) -> T:
        """The gate's answer. One call at a time."""
        request = self._request = self._request.next()
        asking = self._persistence.call(lambda: gate(request))
        return await (self._to_the_end(asking) if self._last_word_seconds else asking)

    async def _to_the_end(self, asking: Coroutine[Any, Any, T]) -> T:
        asked = asyncio.ensure_future(asking)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            await asyncio.wait({asked}, timeout=self._last_word_seconds)
            if not asked.done() or asked.cancelled() or asked.exception() is not None:
                raise
            caller = asyncio.current_task()
            if caller is not None:
                caller.cancel()
            return asked.result()
        finally:
            asked.cancel()
