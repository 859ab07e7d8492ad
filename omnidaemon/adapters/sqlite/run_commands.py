"""Commands over the SQLite tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.retention import Retention
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.record import TaskRecord
from omnidaemon.ports.run_commands import RunCommands


class SqliteRunCommands(RunCommands):
    """Each command: read the record, decide, write."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space
        self._retention = Retention(space)

    async def cancel(self, task_id: str, agent: str | None = None) -> None:
        await self._order(task_id, lambda record, now: record.cancel(agent, now))

    async def requeue(self, task_id: str, agent: str | None = None) -> None:
        await self._order(task_id, lambda record, now: record.requeue(agent, now))

    async def answer(self, task_id: str, agent: str, question: str, answer: bytes) -> None:
        await self._order(task_id, lambda record, now: record.answer(agent, question, answer, now))

    async def delete(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        await self._order(task_id, lambda record, now: record.delete(agent, now, only_dead=only_dead))

    async def _order(self, task_id: str, decide: Callable[[TaskRecord, Instant], Changes]) -> None:
        def work(ledger: Ledger) -> None:
            record = ledger.records([task_id]).get(task_id)
            if record is None:
                raise TaskNotFound(task_id)
            ledger.apply(decide(record, ledger.now))

        await self._space.write(work, rings=True)

    async def prune(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        """In steps of a transaction each."""
        now = self._space.clock.now().at
        return await self._retention.prune(now - keep, None if keep_dead is None else now - keep_dead, limit)
