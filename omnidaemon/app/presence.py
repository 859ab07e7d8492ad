"""A worker's heartbeat, and what it learns from it: which agents people want stopped or removed, whether it shall leave
itself, and whether the store has lost all that it knew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from omnidaemon.app.custody import Custody
from omnidaemon.domain.agent import WorkerReport
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.registry import AgentRegistry
from omnidaemon.ports.telemetry import Level, Telemetry

_PERIOD_SECONDS = 1.5
_HINT_PAUSE_SECONDS = 1.0


class Presence:
    """Beats until the worker leaves; that is the last thing it does."""

    def __init__(
        self,
        *,
        registry: AgentRegistry,
        custody: Custody,
        clock: Clock,
        telemetry: Telemetry,
        report: Callable[[], WorkerReport],
        on_drained: Callable[[], None],
        declare: Callable[[], Awaitable[None]],
        hint: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._custody = custody
        self._clock = clock
        self._telemetry = telemetry
        self._report = report
        self._on_drained = on_drained
        self._declare = declare
        self._hint = hint
        self._stopped: frozenset[Subscription] = frozenset()
        self._removed: frozenset[Subscription] = frozenset()
        self._is_forgotten = False

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            try:
                await self.beat()
            except OmniDaemonError as error:
                if not error.is_transient:
                    raise  # the other loops say that the store is away
            # Hints are frequent under load, and each beat costs a call: about one a second is owed to them.
            await self._clock.wait(asyncio.Event(), _HINT_PAUSE_SECONDS)
            rest = _PERIOD_SECONDS * random.uniform(0.7, 1.0) - _HINT_PAUSE_SECONDS  # noqa: S311 - jitter
            await self._clock.wait(self._hint, rest)
            self._hint.clear()

    async def beat(self) -> None:
        """One heartbeat; the custody learns what is wanted. Agents that the store has lost are declared anew."""
        desired = await self._registry.beat(self._report())
        if desired.has_lost_data:
            self._telemetry.say(
                Level.ERROR,
                "DATA LOSS: the store has lost its data, and with them every task that was begun; the agents are "
                "declared anew. Was the server flushed, or started without its data?",
            )
            self._is_forgotten = True
        if self._is_forgotten:
            await self._declare()  # where that fails, the next heartbeat tries again
            self._is_forgotten = False
            return
        for subscription in sorted((desired.stopped ^ self._stopped) & set(self._report().subscriptions)):
            state = "stopped" if subscription in desired.stopped else "started"
            self._telemetry.say(Level.INFO, f"agent {subscription} was {state}")
        for subscription in sorted(desired.removed - self._removed):
            self._telemetry.say(Level.WARNING, f"agent {subscription} was removed: it takes nothing more")
        self._stopped, self._removed = desired.stopped, desired.removed
        self._custody.stop(desired.stopped | desired.removed)
        if desired.is_drained:
            self._on_drained()
