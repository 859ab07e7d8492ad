"""Whether leases may be judged at all: after the store was away, owners get the time to renew first."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LapseGuard:
    """A namespace's memory of when any worker was last heard, in seconds of the store's steady clock.

    Every live worker touches it each quarter of the shortest lease. Owners renew each third of a lease, so a gap of
    up to half a lease costs nobody a lease (1/3 + 1/2 < 1); a longer one means that the store was away, or everybody
    was frozen. It ended at `resumed_at`, and from then on each run has a grace of its own lease's length, within which
    its owner renews if it lives. So a long lease of one agent holds up the recovery of no other.

    A store that comes and goes cannot starve recovery: a grace which another gap cuts short does not begin anew, it
    goes on from where it stood. `heard_seconds` is for how long workers were heard, before `resumed_at`, since the
    first gap of such a series. A lease that is no longer than that had its grace already, and gets a new one. Once the
    longest lease had its grace, the next gap begins a new series.
    """

    last_seen: float | None = None
    resumed_at: float | None = None
    heard_seconds: float = 0.0
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
        heard = longest if self.resumed_at is None else self.heard_seconds + self.last_seen - self.resumed_at
        # From here on the leases count of whoever is still heard, since those of agents long gone would make a gap of
        # every pause, and every series too long.
        return LapseGuard(
            last_seen=now,
            resumed_at=now,
            heard_seconds=heard if heard < longest else 0.0,
            shortest_lease=shortest_lease,
            longest_lease=longest_lease,
        )

    def judges_from(self, lease_seconds: float) -> float:
        """From when on a lease of this length that has run out means that its owner is dead."""
        if self.resumed_at is None:
            return 0.0
        had = self.heard_seconds if self.heard_seconds < lease_seconds else 0.0
        return self.resumed_at + lease_seconds - had

    def may_lapse(self, lease_seconds: float, now: float) -> bool:
        """Whether that is so now."""
        return now >= self.judges_from(lease_seconds)
