"""Leases: whether they may be judged, which have run out, and what a reboot does to them."""

from __future__ import annotations

from typing import Final

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.ports.run_store import LeaseSpan

# So many lapses fit into one transaction; the rest comes with the next claim.
_LAPSES: Final = 1000

# A lease that reaches further than any can comes from another boot; which of these reach too far, the run knows.
_SUSPECTS: Final = f"""
    SELECT {RUN_COLUMNS} FROM runs WHERE state = 'running' AND lease_until <= ?
    UNION ALL
    SELECT {RUN_COLUMNS} FROM runs WHERE state = 'running' AND lease_until > ?
    LIMIT {_LAPSES}
"""
_FIRST_LAPSE: Final = "SELECT min(lease_until) FROM runs WHERE state = 'running'"
_LAPSE_ALL: Final = "UPDATE runs SET lease_until = 0 WHERE state = 'running'"
_GUARD: Final = "SELECT last_seen, no_lapse_until, shortest_lease, longest_lease FROM lapse_guard"
_SET_GUARD: Final = "INSERT OR REPLACE INTO lapse_guard VALUES (1, ?, ?, ?, ?)"


class Leases:
    """The leases of all running runs, in one transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def touch(self, leases: LeaseSpan) -> LapseGuard:
        """The lapse guard, after a worker with these leases was heard."""
        ledger = self._ledger
        row = ledger.cursor.execute(_GUARD).fetchone()
        guard = LapseGuard()
        if row is not None:
            last_seen, no_lapse_until, shortest, longest = row
            guard = LapseGuard(
                last_seen=last_seen, no_lapse_until=no_lapse_until, shortest_lease=shortest, longest_lease=longest
            )
        guard = guard.touched(ledger.now.steady, leases.shortest_seconds, leases.longest_seconds)
        ledger.cursor.execute(
            _SET_GUARD, (guard.last_seen, guard.no_lapse_until, guard.shortest_lease, guard.longest_lease)
        )
        return guard

    def lapse(self, guard: LapseGuard) -> Changes:
        """Take the runs whose lease has run out from their owners, unless nobody's may be judged now."""
        ledger, now = self._ledger, self._ledger.now
        if not guard.may_lapse(now.steady):
            return Changes()
        suspects = ledger.runs(_SUSPECTS, (now.steady, now.steady + guard.longest_lease + 1.0))
        changes = ledger.gates.lapse(suspects, now)
        ledger.apply(changes)
        return changes

    def first(self) -> float | None:
        """When the first lease runs out."""
        until: float | None = self._ledger.value(_FIRST_LAPSE)
        return until


def begin_boot(ledger: Ledger, boot_id: str) -> None:
    """Take note of the machine's boot. After another one all owners are dead: their leases have run out, and since
    the steady clock began anew, nothing of what was read from it before means anything."""
    if ledger.value("SELECT boot_id FROM boots") == boot_id:
        return
    ledger.cursor.execute("INSERT OR REPLACE INTO boots VALUES (1, ?)", (boot_id,))
    ledger.cursor.execute(_LAPSE_ALL)
    ledger.cursor.execute("DELETE FROM lapse_guard")
