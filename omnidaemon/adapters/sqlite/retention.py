"""Retention: what may go is looked for beside the writer, and goes in steps that hold nobody up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import Reading
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.agent import WORKERS_REMEMBERED
from omnidaemon.domain.instant import micros
from omnidaemon.domain.record import expired, is_expired

_LOOKED_AT_ONCE: Final = 500
_REMOVED_AT_ONCE: Final = 200
_ENTRIES_AT_ONCE: Final = 500
_SETTLED_AT_ONCE: Final = 500
_LANES_KEPT: Final = timedelta(days=7)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

# Where tasks may be found of which everything has ended, each in the order of an index, from where the last look ended.
_ENDED_RUNS: Final = f"""
    SELECT finished_at, run_id, task_id FROM runs INDEXED BY runs_ended
    WHERE state <> 'dead' AND (finished_at, run_id) > (?1, ?2) AND finished_at < ?3
    ORDER BY finished_at, run_id LIMIT {_LOOKED_AT_ONCE}
"""
_DEAD_RUNS: Final = f"""
    SELECT finished_at, run_id, task_id FROM runs INDEXED BY runs_dead
    WHERE state = 'dead' AND (finished_at, run_id) > (?1, ?2) AND finished_at < ?3
    ORDER BY finished_at, run_id LIMIT {_LOOKED_AT_ONCE}
"""
_CANCELLED_TASKS: Final = f"""
    SELECT 0, position, task_id FROM tasks INDEXED BY tasks_cancelled
    WHERE is_cancelled = 1 AND (0, position) > (?1, ?2) AND created_at < ?3
    ORDER BY position LIMIT {_LOOKED_AT_ONCE}
"""
_OLD_ENTRIES: Final = f"""
    SELECT position, at FROM journal_entries WHERE position > 0 ORDER BY position LIMIT {_ENTRIES_AT_ONCE}
"""
_DROP_ENTRIES: Final = "DELETE FROM journal_entries WHERE position <= ?"
_DROP_PLACES: Final = "DELETE FROM journal_places WHERE position <= ?"
_DROP_SETTLED: Final = f"""
    DELETE FROM outbox WHERE notification_id IN (
        SELECT notification_id FROM outbox WHERE settled_at IS NOT NULL AND settled_at < ?
        ORDER BY settled_at LIMIT {_SETTLED_AT_ONCE}
    ) RETURNING 1
"""
_DROP_TOMBSTONES: Final = "DELETE FROM tombstones WHERE until <= ?"

Place = tuple[int, int]
"""The last candidate that was looked at, in the order of its search."""

_FIRST_PLACE: Final = (-1, -1)


class Limits(NamedTuple):
    """Before when everything of a task must have ended, and before when its dead letters."""

    keep_from: datetime
    dead_from: datetime


class Retention:
    """Sweeps. What `domain.record` calls expired goes; the rest of the candidates is passed over, and not looked at
    again with each sweep: that could be many.

    What expires comes behind what expired before, so each search goes on from where its last one ended. A task that had
    to stay is met again when the rest of it expires. For the few that become free without that, since an agent was
    removed or a run deleted, a patrol goes over what was passed, one step with each sweep.
    """

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space
        self._ahead: dict[str, Place] = {}
        self._patrols: dict[str, Place] = {}

    async def prune(self, keep_from: datetime, dead_from: datetime | None, limit: int) -> int:
        """Remove up to `limit` tasks of which everything ended before that, and whatever else has outlived its use; how
        many tasks were removed."""
        limits = Limits(keep_from, dead_from or _LONG_AGO)
        # First of all, so that the journal of what goes need not be kept apart.
        while await self._space.write(lambda ledger: _sweep(ledger, limits), durable=False):
            pass
        removed = 0
        for search in (_ENDED_RUNS, _CANCELLED_TASKS, *((_DEAD_RUNS,) if dead_from else ())):
            removed += await self._go_on(search, limits, limit - removed)
            removed += await self._patrol(search, limits, limit - removed)
        return removed

    async def _go_on(self, search: str, limits: Limits, most: int) -> int:
        removed, has_more = 0, True
        while has_more and removed < most:
            place = self._ahead.get(search, _FIRST_PLACE)
            step, self._ahead[search], has_more = await self._step(search, place, limits, most - removed)
            removed += step
        return removed

    async def _patrol(self, search: str, limits: Limits, most: int) -> int:
        if most <= 0:
            return 0
        place = self._patrols.get(search, _FIRST_PLACE)
        removed, place, _ = await self._step(search, place, limits, most)
        self._patrols[search] = place if place < self._ahead.get(search, _FIRST_PLACE) else _FIRST_PLACE
        return removed

    async def _step(self, search: str, place: Place, limits: Limits, most: int) -> tuple[int, Place, bool]:
        """Look at some candidates behind the place: how many were removed, where to look on, whether there may be
        more."""
        before = micros(limits.dead_from if search is _DEAD_RUNS else limits.keep_from)

        def work(reading: Reading) -> tuple[list[str], list[Any]]:
            rows = reading.rows(search, (*place, before))
            records = reading.records(dict.fromkeys(row[2] for row in rows))
            return [i for i, record in records.items() if is_expired(record, *limits)], rows

        ripe, rows = await self._space.read(work)
        removed = 0
        for chosen in _chunks(ripe[:most]):
            removed += await self._remove(chosen, limits)
        if not rows or len(ripe) > most:
            return removed, place, bool(rows)
        return removed, rows[-1][:2], len(rows) == _LOOKED_AT_ONCE

    async def _remove(self, task_ids: Sequence[str], limits: Limits) -> int:
        def work(ledger: Ledger) -> int:
            # Read again: a requeue may have come in between.
            changes = expired(ledger.records(task_ids).values(), *limits)
            ledger.apply(changes)
            return len(changes.deleted)

        return await self._space.write(work)


def _sweep(ledger: Ledger, limits: Limits) -> bool:
    """Remove some old journal entries and settled notifications, and all tombstones, lanes and workers that are of no
    use any more; whether there may be more."""
    last, old, oldest_kept = 0, 0, micros(limits.keep_from)
    for position, at in ledger.cursor.execute(_OLD_ENTRIES):
        if at >= oldest_kept:
            break
        last, old = position, old + 1
    if old:
        ledger.cursor.execute(_DROP_ENTRIES, (last,))
        ledger.cursor.execute(_DROP_PLACES, (last,))
    settled = len(ledger.rows(_DROP_SETTLED, (oldest_kept,)))
    now = ledger.now.at
    ledger.cursor.execute(_DROP_TOMBSTONES, (micros(now),))
    ledger.cursor.execute("DELETE FROM lanes WHERE used_at < ?", (micros(now - _LANES_KEPT),))
    ledger.cursor.execute("DELETE FROM workers WHERE seen_at < ?", (micros(now - WORKERS_REMEMBERED),))
    return old == _ENTRIES_AT_ONCE or settled == _SETTLED_AT_ONCE


def _chunks(task_ids: Sequence[str]) -> list[Sequence[str]]:
    return [task_ids[start : start + _REMOVED_AT_ONCE] for start in range(0, len(task_ids), _REMOVED_AT_ONCE)]
