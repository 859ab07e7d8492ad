"""Whether leases may be judged at all: after the store was away, owners get the time to renew first."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LapseGuard:
    """A namespace's memory of when any worker was last heard, in seconds of the store's steady clock.

    Every live worker touches it each quarter of the shortest lease. Owners renew each third of a lease, so a gap of
    up to half a lease costs nobody a lease (1/3 + 1/2 < 1); a longer one means that the store was away, or everybody
    was frozen, and nothing may count as lapsed for the longest lease. That grace is never extended while it runs, so
    that a store which comes and goes cannot starve recovery.
    """

    last_seen: float | None = None
    no_lapse_until: float = 0.0
    shortest_lease: float = 30.0
    longest_lease: float = 30.0

    def touched(self, now: float, shortest_lease: float, longest_lease: float) -> LapseGuard:
        """As it is after a worker with agents of these leases was heard."""
        if self.last_seen is None:
            return attrs.evolve(self, last_seen=now, shortest_lease=shortest_lease, longest_lease=longest_lease)
        longest = max(self.longest_lease, longest_lease)
        if now - self.last_seen <= self.shortest_lease / 2:
            return attrs.evolve(
                self, last_seen=now, shortest_lease=min(self.shortest_lease, shortest_lease), longest_lease=longest
            )
        # The grace is for every owner that may live, whatever its lease; from then on the leases count of whoever is
        # still heard, since those of agents long gone would make a gap of every pause, and every grace too long.
        return LapseGuard(
            last_seen=now,
            no_lapse_until=now + longest if now >= self.no_lapse_until else self.no_lapse_until,
            shortest_lease=shortest_lease,
            longest_lease=longest_lease,
        )

    def may_lapse(self, now: float) -> bool:
        """Whether a lease that has run out means that its owner is dead."""
        return now >= self.no_lapse_until
