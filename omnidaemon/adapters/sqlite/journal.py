"""The journal over its SQLite table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from omnidaemon.adapters.sqlite.rows import EVENT_COLUMNS, event_of
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.ports.journal import Journal

_ALL: Final = f"SELECT {EVENT_COLUMNS} FROM journal WHERE position > ? ORDER BY position LIMIT ?"
_OF_TASK: Final = f"""
    SELECT {EVENT_COLUMNS} FROM journal WHERE task_id = ? AND position > ? ORDER BY position LIMIT ?
"""
_LATEST: Final = "SELECT latest FROM counters WHERE name = 'journal'"


class SqliteJournal(Journal):
    """Positions are given out in the writer's transaction, so nobody sees a higher one before a lower one."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await self._space.write(lambda ledger: ledger.write_events(events), rings=True)

    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        statement, bindings = (_ALL, (after, limit)) if task_id is None else (_OF_TASK, (task_id, after, limit))
        return await self._space.read(lambda reading: [event_of(row) for row in reading.rows(statement, bindings)])

    async def latest(self) -> int:
        return int(await self._space.read(lambda reading: reading.value(_LATEST)) or 0)
