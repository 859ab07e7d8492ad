"""A reading of a store's clock, and times as numbers that compare."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from omnidaemon.domain.values import Value

LONGEST_SECONDS = 10 * 365 * 86400.0
"""The longest pause or limit that anybody can mean: what is longer ends here, so that no time can overflow."""


class Instant(Value):
    """What the store's clock says: `at` is wall time in UTC, for due times that outlive a reboot; `steady` are seconds
    that never jump, for leases, so that a clock set forward by an hour takes no run from a worker that lives."""

    at: datetime
    steady: float

    def after(self, seconds: float) -> datetime:
        """The wall time `seconds` from now."""
        return self.at + timedelta(seconds=min(seconds, LONGEST_SECONDS))

    def steady_after(self, seconds: float) -> float:
        """The steady time `seconds` from now, in whole microseconds: a store may keep it as an integer."""
        return round(self.steady + seconds, 6)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@lru_cache(maxsize=1024)  # five to a task, nearly all the same within a batch
def micros(at: datetime) -> int:
    """A time as stores keep it: microseconds since 1970, which compare and sort as numbers."""
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=1024)
def moment(stored: int) -> datetime:
    """The time that is kept so."""
    return _EPOCH + stored * _MICROSECOND  # half of what `timedelta(microseconds=stored)` costs


def instant_of(stored: int) -> Instant:
    """An instant of a clock whose steady time is its wall time. Not kept, unlike moments: hardly any comes twice."""
    return Instant(_EPOCH + stored * _MICROSECOND, stored / 1e6)


def micros_or_none(at: datetime | None) -> int | None:
    """As `micros`, where there may be no time."""
    return None if at is None else micros(at)


@lru_cache(maxsize=1024)
def moment_or_none(stored: int | None) -> datetime | None:
    """As `moment`, where there may be no time."""
    return None if stored is None else moment(stored)
