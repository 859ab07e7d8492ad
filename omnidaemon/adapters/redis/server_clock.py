"""The server's clock, as near as can be known between two replies."""

from __future__ import annotations

import time
from typing import Final

from omnidaemon.domain.instant import Instant, instant_of

_SET_BACK_SECONDS: Final = 1.0
_DRIFT: Final = 1e-4


class ServerClock:
    """Each reply tells what the server's clock read at some time before now, so an estimate is never ahead of it by
    more than two clocks drift apart; the best one is kept. `Instant.steady` is the same clock in seconds: Redis has no
    other, and the lapse guard takes a clock that was set for a store that was away."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._noted_at = 0.0

    def note(self, seconds: bytes, microseconds: bytes) -> Instant:
        """Learn from a reply; gives what it said."""
        self.learn(seconds, microseconds)
        return said(seconds, microseconds)

    def learn(self, seconds: bytes, microseconds: bytes) -> None:
        """As `note`, for whom the clock itself is enough."""
        here = time.monotonic()
        offset = int(seconds) + int(microseconds) / 1e6 - here
        believed = self._offset - _DRIFT * (here - self._noted_at)
        if offset >= believed or offset < believed - _SET_BACK_SECONDS:
            self._offset, self._noted_at = offset, here

    def now(self) -> Instant:
        """The estimate."""
        return instant_of(round((time.monotonic() + self._offset) * 1e6))


def said(seconds: bytes, microseconds: bytes) -> Instant:
    """What the server's clock read, as a reply tells it."""
    return instant_of(int(seconds) * 1_000_000 + int(microseconds))
