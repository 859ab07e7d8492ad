"""Loops that go on: one that fails is begun anew, after pauses that grow, without filling the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from omnidaemon.ports.clock import Clock
from omnidaemon.ports.telemetry import Level, Telemetry

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_TELL_AGAIN_SECONDS = 600.0
_MOST_TOLD = 100


class Supervision:
    """Runs loops as tasks. The same failure is told once in ten minutes, however many loops meet it, and how often:
    a store that somebody has to mend fails them all."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._told_at: dict[str, float] = {}

    def start(
        self, name: str, run: Callable[[], Awaitable[None]], stopping: asyncio.Event | None = None
    ) -> asyncio.Task[None]:
        """Run this until it returns. Once `stopping` is set no pause keeps it from doing so."""
        return asyncio.create_task(self._supervise(name, run, stopping or asyncio.Event()), name=f"omnidaemon-{name}")

    async def _supervise(self, name: str, run: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = self._clock.now().steady
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - the one place where a loop's failure is caught
                now = self._clock.now().steady
                if now - began > _LONGEST_PAUSE_SECONDS:
                    pause = _FIRST_PAUSE_SECONDS  # it was well meanwhile
                self._tell(name, f"{type(error).__name__}: {error}", now)
                await self._clock.wait(stopping, pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return

    def _tell(self, name: str, kind: str, now: float) -> None:
        if now - self._told_at.get(kind, float("-inf")) < _TELL_AGAIN_SECONDS:
            return
        if len(self._told_at) >= _MOST_TOLD:
            self._told_at.clear()
        self._told_at[kind] = now
        self._telemetry.say(Level.ERROR, f"{name}: {kind}; trying again")
