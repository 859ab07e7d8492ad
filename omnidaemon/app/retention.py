"""Retention: what ended long ago is removed, in small steps."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from omnidaemon.app.lanes import Persistence
from omnidaemon.app.outages import Outages
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_commands import RunCommands

_PERIOD_SECONDS = 30.0
_BATCH = 500


class Retention:
    """Prunes every half minute, and at once again while there is more than a step's worth."""

    def __init__(
        self,
        *,
        commands: RunCommands,
        clock: Clock,
        outages: Outages,
        keep: timedelta,
        keep_dead: timedelta | None,
    ) -> None:
        self._commands = commands
        self._clock = clock
        self._keep = keep
        self._keep_dead = keep_dead
        self._store = Persistence(clock, outages)

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            removed = await self._store.call(lambda: self._commands.prune(self._keep, self._keep_dead, _BATCH))
            if removed < _BATCH:
                # A short result TTL is kept to about its own length.
                period = min(_PERIOD_SECONDS, max(1.0, self._keep.total_seconds()))
                await self._clock.wait(asyncio.Event(), period * random.uniform(0.7, 1.3))  # noqa: S311 - jitter
