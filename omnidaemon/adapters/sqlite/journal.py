"""The journal over its SQLite tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from omnidaemon.adapters.sqlite import entries
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.journal import JournalEvent, entries_of
from omnidaemon.ports.journal import Journal

_LATEST: Final = "SELECT latest FROM counters WHERE name = 'journal'"


class SqliteJournal(Journal):
    """Positions are given out in the writer's transaction, so nobody sees a higher one before a lower one."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await self._space.write(lambda ledger: ledger.write_entries(entries_of(events)), rings=Ring.EVERYBODY)

    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        return await self._space.read(lambda reading: entries.read(reading.cursor, after, task_id, limit))

    async def latest(self) -> int:
        return int(await self._space.read(lambda reading: reading.value(_LATEST)) or 0)
