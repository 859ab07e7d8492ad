"""Commands over the SQLite tables."""

from __future__ import annotations

from datetime import timedelta

from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.retention import Retention
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.ports.run_commands import Decision, RecordCommands


class SqliteRunCommands(RecordCommands):
    """Each command: read the record, decide, write."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space
        self._retention = Retention(space)

    async def _apply(self, task_id: str, decide: Decision) -> None:
        def work(ledger: Ledger) -> None:
            record = ledger.records([task_id]).get(task_id)
            if record is None:
                raise TaskNotFound(task_id)
            ledger.apply(decide(record, ledger.now))

        await self._space.write(work, rings=Ring.EVERYBODY)

    async def prune(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        """In steps of a transaction each."""
        now = self._space.clock.now().at
        return await self._retention.prune(now - keep, None if keep_dead is None else now - keep_dead, limit)
