"""The SQLite storage: every port over one file."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.adapters.sqlite.erasing import erase
from omnidaemon.adapters.sqlite.examination import examined
from omnidaemon.adapters.sqlite.journal import SqliteJournal
from omnidaemon.adapters.sqlite.outbox import SqliteOutbox
from omnidaemon.adapters.sqlite.registry import SqliteRegistry
from omnidaemon.adapters.sqlite.run_commands import SqliteRunCommands
from omnidaemon.adapters.sqlite.run_queries import SqliteRunQueries
from omnidaemon.adapters.sqlite.run_store import SqliteRunStore
from omnidaemon.adapters.sqlite.schedules import SqliteSchedules
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.adapters.sqlite.task_log import SqliteTaskLog
from omnidaemon.ports.backend import Erasable, SelfExamination, Weakness
from omnidaemon.ports.storage import Storage, StorageCapabilities


class SqliteStorage(Storage, SelfExamination, Erasable):
    """Durable on commit, for any number of processes of one machine. Usable from any loop and thread."""

    capabilities = StorageCapabilities(name="sqlite", is_host_local=True)

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space
        self.capabilities = attrs.evolve(self.capabilities, transaction_scope=space.database.scope)
        self.runs = SqliteRunStore(space)
        self.log = SqliteTaskLog(space)
        self.commands = SqliteRunCommands(space)
        self.queries = SqliteRunQueries(space)
        self.schedules = SqliteSchedules(space)
        self.outbox = SqliteOutbox(space)
        self.registry = SqliteRegistry(space)
        self.journal = SqliteJournal(space)

    async def weaknesses(self) -> Sequence[Weakness]:
        return await examined(self._space.database.path)

    def is_missing(self) -> bool:
        return not self._space.database.path.exists()

    async def erase(self) -> None:
        """A bus in the same file goes with it."""
        await erase(self._space.database)

    async def __aenter__(self) -> Self:
        await self._space.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._space.database.close()
