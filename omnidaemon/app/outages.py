"""Backends that are away: a person is told once when one goes and once when it is back, however many loops wait for
it.

It is back when the first call gets through. Others may take seconds longer, those that wait for tasks most of all: to
wait for them would tell it late. Whoever still fails well after that is told of, once, and then it is over only when
all have got through: else it would be over and anew with every call that happens to get through.
"""

from __future__ import annotations

import attrs

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import BackendError, DataLost, InvalidInput, OmniDaemonError
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.telemetry import Level, Telemetry

_LATE_SECONDS = 10.0  # twice as long as a receive that is under way


@attrs.define(eq=False)
class _Outage:
    """Since when, and who has not got through yet. `was_back_at`: when the first one has, while others have not."""

    since: float
    waiting: set[object] = attrs.field(factory=set[object])
    is_told: bool = False
    was_back_at: float | None = None


class Outages:
    """Belongs to one loop. Whoever waits is known by any object of its own."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._outages: dict[str, _Outage] = {}

    def met(self, who: object, error: OmniDaemonError) -> None:
        """Somebody's call has failed of this, and will be made again. What is lost is told in any case."""
        if isinstance(error, DataLost):
            self._telemetry.say(Level.ERROR, str(error))
            return
        what = f"{error.backend} at {error.location}" if isinstance(error, BackendError) else "the backend"
        now = self._clock.now().steady
        outage = self._outages.setdefault(what, _Outage(now))
        outage.waiting.add(who)
        if not outage.is_told and (outage.was_back_at is None or now - outage.was_back_at >= _LATE_SECONDS):
            outage.is_told = True
            outage.since = now
            self._telemetry.say(Level.WARNING, f"{error}; trying again until it answers")

    def answered(self, who: object) -> None:
        """Somebody's call has got through: what it has met is over, unless others have failed long after it was."""
        now = self._clock.now().steady
        for what, outage in tuple(self._outages.items()):
            if who not in outage.waiting:
                continue
            outage.waiting.remove(who)
            if not outage.waiting:
                del self._outages[what]
            if outage.is_told and (outage.was_back_at is None or not outage.waiting):
                outage.is_told = False
                outage.was_back_at = now
                self._telemetry.say(Level.INFO, f"{what} answers again, after {duration_text(now - outage.since)}")

    def gave_up(self, who: object) -> None:
        """Somebody does not wait any more. Where it was the last one, nobody knows how the outage goes on."""
        for what, outage in tuple(self._outages.items()):
            outage.waiting.discard(who)
            if not outage.waiting:
                del self._outages[what]


def is_the_backends(error: Exception) -> bool:
    """Whether it would meet any task just as well. Of a value that cannot be carried this is not so."""
    return isinstance(error, OmniDaemonError) and not isinstance(error, InvalidInput)
