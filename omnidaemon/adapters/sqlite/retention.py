"""Retention: what may go is looked for beside the writer, and goes in steps that hold nobody up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import Reading
from omnidaemon.adapters.sqlite.rows import micros
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.record import expired, is_expired

_LOOKED_AT_ONCE: Final = 500
_REMOVED_AT_ONCE: Final = 200
_EVENTS_AT_ONCE: Final = 5000
_LANES_KEPT: Final = timedelta(days=7)
_WORKERS_KEPT: Final = timedelta(hours=1)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

# Where tasks may be found of which everything has ended, each in the order of an index, from where the last look ended.
_ENDED_RUNS: Final = f"""
    SELECT finished_at, run_id, task_id FROM runs INDEXED BY runs_ended
    WHERE state IN ('succeeded', 'cancelled', 'skipped') AND (finished_at, run_id) > (?1, ?2) AND finished_at < ?3
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
_OLD_EVENTS: Final = f"SELECT position, at FROM journal WHERE position > 0 ORDER BY position LIMIT {_EVENTS_AT_ONCE}"
_DROP_EVENTS: Final = "DELETE FROM journal WHERE position <= ?"
_DROP_TOMBSTONES: Final = "DELETE FROM tombstones WHERE until <= ?"
_FIRST_PLACE: Final = (-1, -1)


class Retention:
    """One sweep. What `domain.record` calls expired goes; the rest of the candidates is passed over."""

    def __init__(self, space: SqliteSpace, keep_from: datetime, dead_from: datetime | None) -> None:
        self._space = space
        self._keep_from = keep_from
        self._dead_from = dead_from or _LONG_AGO
        self._searches = [_ENDED_RUNS, _CANCELLED_TASKS]
        if dead_from is not None:
            self._searches.append(_DEAD_RUNS)

    async def prune(self, limit: int) -> int:
        """Remove up to `limit` tasks, and whatever else has outlived its use; how many tasks were removed."""
        removed = 0
        for search in self._searches:
            place: tuple[int, int] | None = _FIRST_PLACE
            while place is not None and removed < limit:
                ripe, place = await self._look(search, place)
                for chosen in _chunks(ripe[: limit - removed]):
                    removed += await self._remove(chosen)
        while await self._space.write(self._sweep, durable=False):
            pass
        return removed

    async def _look(self, search: str, place: tuple[int, int]) -> tuple[list[str], tuple[int, int] | None]:
        """Tasks that may go, and where to look on; None at the end."""
        before = micros(self._dead_from if search is _DEAD_RUNS else self._keep_from)

        def work(reading: Reading) -> tuple[list[str], tuple[int, int] | None]:
            rows = reading.rows(search, (*place, before))
            records = reading.records(dict.fromkeys(row[2] for row in rows))
            ripe = [i for i, record in records.items() if is_expired(record, self._keep_from, self._dead_from)]
            return ripe, rows[-1][:2] if len(rows) == _LOOKED_AT_ONCE else None

        return await self._space.read(work)

    async def _remove(self, task_ids: Sequence[str]) -> int:
        def work(ledger: Ledger) -> int:
            # Read again: a requeue may have come in between.
            changes = expired(ledger.records(task_ids).values(), self._keep_from, self._dead_from)
            ledger.apply(changes)
            return len(changes.deleted)

        return await self._space.write(work)

    def _sweep(self, ledger: Ledger) -> bool:
        """Remove some old journal entries, and all tombstones, lanes and workers that are of no use any more; whether
        there may be more."""
        first = ledger.rows(_OLD_EVENTS)
        oldest_kept = micros(self._keep_from)
        old = 0
        while old < len(first) and first[old][1] < oldest_kept:
            old += 1
        if old:
            ledger.cursor.execute(_DROP_EVENTS, (first[old - 1][0],))
        now = ledger.now.at
        ledger.cursor.execute(_DROP_TOMBSTONES, (micros(now),))
        ledger.cursor.execute("DELETE FROM lanes WHERE used_at < ?", (micros(now - _LANES_KEPT),))
        ledger.cursor.execute("DELETE FROM workers WHERE seen_at < ?", (micros(now - _WORKERS_KEPT),))
        return old == _EVENTS_AT_ONCE


def _chunks(task_ids: Sequence[str]) -> list[Sequence[str]]:
    return [task_ids[start : start + _REMOVED_AT_ONCE] for start in range(0, len(task_ids), _REMOVED_AT_ONCE)]
