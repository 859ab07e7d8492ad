"""Backends that are away: a person is told once when one goes and once when it is back, however many loops wait for
it."""

from __future__ import annotations

import attrs

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import BackendError, DataLost, OmniDaemonError
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.telemetry import Level, Telemetry


@attrs.define(eq=False)
class _Outage:
    """Since when, and who waits for its end."""

    since: float
    waiting: set[object] = attrs.field(factory=set[object])


class Outages:
    """Belongs to one loop. Whoever waits is known by any object of its own."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._outages: dict[str, _Outage] = {}
        self._pardoned: set[object] = set()
        """Those whose call was under way when an outage was over: should it fail, that is no news."""

    def met(self, who: object, error: OmniDaemonError) -> None:
        """Somebody's call has failed of this, and will be made again. What is lost is told in any case."""
        if isinstance(error, DataLost):
            self._telemetry.say(Level.ERROR, str(error))
            return
        what = f"{error.backend} at {error.location}" if isinstance(error, BackendError) else "the backend"
        outage = self._outages.get(what)
        if outage is None:
            if who in self._pardoned:
                self._pardoned.remove(who)
                return
            outage = self._outages[what] = _Outage(self._clock.now().steady)
            self._telemetry.say(Level.WARNING, f"{error}; trying again until it answers")
        outage.waiting.add(who)

    def answered(self, who: object) -> None:
        """Somebody's call has got through: what it has met is over, for all who wait."""
        self._pardoned.discard(who)
        for what, outage in tuple(self._outages.items()):
            if who in outage.waiting:
                del self._outages[what]
                self._pardoned |= outage.waiting - {who}
                lasted = duration_text(self._clock.now().steady - outage.since)
                self._telemetry.say(Level.INFO, f"{what} answers again, after {lasted}")

    def gave_up(self, who: object) -> None:
        """Somebody does not wait any more. Where it was the last one, nobody knows how the outage goes on."""
        self._pardoned.discard(who)
        for what, outage in tuple(self._outages.items()):
            outage.waiting.discard(who)
            if not outage.waiting:
                del self._outages[what]
