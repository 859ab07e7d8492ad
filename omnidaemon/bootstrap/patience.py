"""Starting before bus and store are there: tried again for as long as what keeps it from starting may pass."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.telemetry import Level, Telemetry

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_TELL_AGAIN_SECONDS = 600.0


async def once_there(
    begin: Callable[[], Awaitable[T]], clock: Clock, telemetry: Telemetry, on_waiting: Callable[[], object]
) -> T:
    """What `begin` returns, once it does: called again after pauses that grow to five seconds, with jitter, while it
    raises what is transient. Anything else is raised at once: nobody mends it by waiting.

    `on_waiting` is called once, before the first pause. A person is told of the waiting at its beginning, every ten
    minutes and at its end, however often it is tried.
    """
    pause = _FIRST_PAUSE_SECONDS
    told_at: float | None = None
    while True:
        try:
            begun = await begin()
        except OmniDaemonError as error:
            if not error.is_transient:
                raise
            now = clock.now().steady
            if told_at is None:
                on_waiting()
            if told_at is None or now - told_at >= _TELL_AGAIN_SECONDS:
                telemetry.say(Level.WARNING, f"not started yet: {error}; trying again until it answers")
                told_at = now
        else:
            if told_at is not None:
                telemetry.say(Level.INFO, "bus and store answer now")
            return begun
        await clock.wait(asyncio.Event(), pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter between workers
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
