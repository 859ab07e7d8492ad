"""Leases: whether they may be judged, which have run out, and what a reboot does to them."""

from __future__ import annotations

import math
from typing import Final

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.ports.run_store import LeaseSpan

# So many lapses fit into one transaction; the rest comes with the next claim.
_LAPSES: Final = 1000

# The few different lengths, each found by skipping to the next one in the index.
_LENGTHS: Final = """
    WITH RECURSIVE lengths (length) AS (
        SELECT min(lease_seconds) FROM runs WHERE state = 'running'
        UNION ALL
        SELECT (SELECT min(lease_seconds) FROM runs WHERE state = 'running' AND lease_seconds > length)
        FROM lengths WHERE length IS NOT NULL
    )
"""
# Those whose grace goes on are left out, so that they hide no other behind the limit. A lease that reaches further than
# its own length comes from another boot.
_SUSPECTS: Final = f"""
    {_LENGTHS}, judged AS (
        SELECT length FROM lengths
        WHERE length IS NOT NULL AND length - iif(:heard < length, :heard, 0.0) <= :since
    )
    SELECT {RUN_COLUMNS} FROM judged CROSS JOIN runs
    ON state = 'running' AND lease_seconds = length AND lease_until <= :now
    UNION ALL
    SELECT {RUN_COLUMNS} FROM judged CROSS JOIN runs
    ON state = 'running' AND lease_seconds = length AND lease_until > :now + length + 1.0
    LIMIT {_LAPSES}
"""
_FIRST_OF_EACH_LENGTH: Final = f"""
    {_LENGTHS}
    SELECT length, (SELECT min(lease_until) FROM runs WHERE state = 'running' AND lease_seconds = length)
    FROM lengths WHERE length IS NOT NULL
"""
_GAP: Final = 1_000_000
"""How many of the journal's positions a boot leaves out. Not every commit waits for the disk: a power failure may have
taken events back that somebody had read. They are far fewer, so no position is given again to another event."""

_LAPSE_ALL: Final = "UPDATE runs SET lease_until = 0 WHERE state = 'running'"
_GUARD: Final = "SELECT last_seen, resumed_at, heard_seconds, shortest_lease, longest_lease FROM lapse_guard"
_SET_GUARD: Final = "INSERT OR REPLACE INTO lapse_guard VALUES (1, ?, ?, ?, ?, ?)"


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
            last_seen, resumed_at, heard, shortest, longest = row
            guard = LapseGuard(
                last_seen=last_seen,
                resumed_at=resumed_at,
                heard_seconds=heard,
                shortest_lease=shortest,
                longest_lease=longest,
            )
        guard = guard.touched(ledger.now.steady, leases.shortest_seconds, leases.longest_seconds)
        ledger.cursor.execute(
            _SET_GUARD,
            (guard.last_seen, guard.resumed_at, guard.heard_seconds, guard.shortest_lease, guard.longest_lease),
        )
        return guard

    def lapse(self, guard: LapseGuard) -> Changes:
        """Take the runs whose lease has run out from their owners, as far as the guard judges them now."""
        ledger, now = self._ledger, self._ledger.now
        since = math.inf if guard.resumed_at is None else now.steady - guard.resumed_at
        suspects = ledger.runs(_SUSPECTS, {"heard": guard.heard_seconds, "since": since, "now": now.steady})
        changes = ledger.gates.lapse(suspects, guard, now)
        ledger.apply(changes)
        return changes

    def firsts(self) -> list[tuple[float, float]]:
        """Of each length, the first lease to run out: its seconds, and until when it lasts."""
        return self._ledger.rows(_FIRST_OF_EACH_LENGTH)


def begin_boot(ledger: Ledger, boot_id: str) -> None:
    """Take note of the machine's boot. After another one all owners are dead: their leases have run out, and since
    the steady clock began anew, nothing of what was read from it before means anything. The journal leaves a gap."""
    known = ledger.value("SELECT boot_id FROM boots")
    if known == boot_id:
        return
    if known is not None:
        ledger.leave_gap(_GAP)
    ledger.cursor.execute("INSERT OR REPLACE INTO boots VALUES (1, ?)", (boot_id,))
    ledger.cursor.execute(_LAPSE_ALL)
    ledger.cursor.execute("DELETE FROM lapse_guard")
