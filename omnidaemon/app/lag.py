"""Loops that are held up: who blocks the agents' loop, and whether the engine itself is late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from omnidaemon.ports.telemetry import Level, Telemetry

_PERIOD_SECONDS = 0.5
_BLOCKED_SECONDS = 1.0
_LATE_SECONDS = 1.0
_REPEAT_SECONDS = 30.0


class LagWatch:
    """Pings the agents' loop from the engine's; calls `on_closed` once it finds that loop closed. Real time, not the
    injected clock: what it measures is this process."""

    def __init__(
        self,
        *,
        agents_loop: asyncio.AbstractEventLoop,
        culprit: Callable[[], str],
        telemetry: Telemetry,
        on_closed: Callable[[], None],
    ) -> None:
        self._agents_loop = agents_loop
        self._culprit = culprit
        self._telemetry = telemetry
        self._on_closed = on_closed
        self._answered_at = time.monotonic()
        self._told_at = float("-inf")

    async def run(self) -> None:
        """Watch until cancelled, or until the agents' loop is closed."""
        while True:
            asked_at = time.monotonic()
            try:
                self._agents_loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                self._telemetry.say(
                    Level.ERROR,
                    "the event loop of the agents was closed: this worker gives back what it holds and leaves; "
                    "await sdk.stop() before the loop ends",
                )
                self._on_closed()
                return
            await asyncio.sleep(_PERIOD_SECONDS)
            now = time.monotonic()
            if now - asked_at - _PERIOD_SECONDS > _LATE_SECONDS:
                self._tell(
                    now,
                    f"the engine was held up for {now - asked_at:.1f} s by {self._culprit()}, "
                    "which does not let go of the interpreter",
                )
            elif now - self._answered_at > _BLOCKED_SECONDS:
                self._tell(
                    now,
                    f"{self._culprit()} has blocked the agents' loop for {now - self._answered_at:.1f} s; "
                    "leases are kept, but other agents wait: make the call async, or the agent a plain def",
                )

    def _answer(self) -> None:
        self._answered_at = time.monotonic()

    def _tell(self, now: float, message: str) -> None:
        if now - self._told_at >= _REPEAT_SECONDS:
            self._told_at = now
            self._telemetry.say(Level.WARNING, message)
