"""The lapse guard as the server keeps it, and what a caller must know of it to touch it in passing."""

from __future__ import annotations

from typing import Any, Final

import attrs

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.ports.run_store import LeaseSpan

_SET_BACK_SECONDS: Final = 1.0


@attrs.frozen
class KeptGuard:
    """`seen` and `terms` are the texts that the server has, "" where it has none yet.

    Touching it usually changes only when somebody was last heard. That much may be written without having read who was
    heard meanwhile: a later time than the caller believed makes no gap of none.
    """

    guard: LapseGuard = LapseGuard()  # noqa: RUF009 - frozen
    seen: str = ""
    terms: str = ""

    @classmethod
    def told(cls, seen: bytes, terms: bytes) -> KeptGuard:
        """As the server says."""
        if not terms:
            return cls()
        resumed_at, *numbers = terms.split(b"|")
        heard, shortest, longest = (float(number) for number in numbers)
        guard = LapseGuard(
            last_seen=float(seen),
            resumed_at=float(resumed_at) if resumed_at else None,
            heard_seconds=heard,
            shortest_lease=shortest,
            longest_lease=longest,
        )
        return cls(guard, seen.decode(), terms.decode())

    def touched(self, now: Instant, leases: LeaseSpan) -> KeptGuard:
        """As it is after a worker with agents of these leases was heard; `seen` is for the server to fill in."""
        guard = self.guard
        if guard.last_seen is not None and guard.last_seen > now.steady + _SET_BACK_SECONDS:
            # The server's clock was set back. Every lease is out of its bounds now, so owners get the time to renew.
            guard = attrs.evolve(guard, last_seen=0.0, resumed_at=None)
        after = guard.touched(now.steady, leases.shortest_seconds, leases.longest_seconds)
        resumed_at = "" if after.resumed_at is None else repr(after.resumed_at)
        terms = f"{resumed_at}|{after.heard_seconds!r}|{after.shortest_lease!r}|{after.longest_lease!r}"
        return KeptGuard(after, self.seen, terms)

    def expectation(self, after: KeptGuard) -> list[Any]:
        """What must be so for `after` to be right."""
        is_touch = after.terms == self.terms
        return ["guard", "touch" if is_touch else "exact", self.seen, self.terms]

    def heard(self, now: Instant) -> KeptGuard:
        """As it is after it was written at this time, which the server has filled in."""
        return attrs.evolve(self, guard=attrs.evolve(self.guard, last_seen=now.steady), seen=f"{now.steady:.6f}")
