"""Delayed tasks over the SQLite tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.adapters.sqlite.task_log import encoded, log
from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.task import Task
from omnidaemon.ports.schedules import Schedules, Taken

_FREE: Final = "SELECT task_id FROM schedules WHERE free_at <= ? ORDER BY free_at LIMIT ?"
_FIRST_FREE: Final = "SELECT min(free_at) FROM schedules"
_HOLD: Final = "UPDATE schedules SET free_at = ? WHERE task_id = ?"
_DROP: Final = "DELETE FROM schedules WHERE task_id = ?"


class SqliteSchedules(Schedules):
    """A task is free when it is due, or when its present holder's time is up."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def put(self, tasks: Sequence[Task]) -> None:
        bodies = encoded(self._space.codec, tasks)

        def work(ledger: Ledger) -> None:
            log(ledger, tasks, EventKind.SCHEDULED, bodies)
            ledger.schedule({task.task_id: task.due_at or ledger.now.at for task in tasks})

        await self._space.write(work, rings=Ring.EVERYBODY)

    async def take(self, limit: int, hold_seconds: float) -> Taken:
        now = micros(self._space.clock.now().at)
        first = await self._space.database.read(_first_free)
        if first is None or first > now:
            # Nothing to take: seen without a write, since every worker asks every few seconds.
            return Taken(next_due_seconds=None if first is None else (first - now) / 1e6)
        return await self._space.write(lambda ledger: self._take(ledger, limit, hold_seconds))

    @staticmethod
    def _take(ledger: Ledger, limit: int, hold_seconds: float) -> Taken:
        now = micros(ledger.now.at)
        free = ledger.rows(_FREE, (now, limit))
        until = micros(ledger.now.at + timedelta(seconds=hold_seconds))
        ledger.cursor.executemany(_HOLD, [(until, i) for (i,) in free])
        known = ledger.tasks(task_id for (task_id,) in free)
        tasks = tuple(task for (task_id,) in free if isinstance(task := known.get(task_id), Task))
        first = _first_free(ledger.cursor)
        return Taken(tasks=tasks, next_due_seconds=None if first is None else max(0.0, (first - now) / 1e6))

    async def drop(self, task_ids: Sequence[str]) -> None:
        keys = [(task_id,) for task_id in task_ids]
        await self._space.write(lambda ledger: ledger.cursor.executemany(_DROP, keys))


def _first_free(cursor: apsw.Cursor) -> int | None:
    first: int | None = cursor.execute(_FIRST_FREE).get
    return first
