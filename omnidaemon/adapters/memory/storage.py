"""The memory storage: every port over one set of tables."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from omnidaemon.adapters.memory.outbox import MemoryOutbox
from omnidaemon.adapters.memory.registry import MemoryRegistry
from omnidaemon.adapters.memory.run_commands import MemoryRunCommands
from omnidaemon.adapters.memory.run_queries import MemoryJournal, MemoryRunQueries
from omnidaemon.adapters.memory.run_store import MemoryRunStore
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.adapters.memory.task_log import MemorySchedules, MemoryTaskLog
from omnidaemon.ports.storage import Storage, StorageCapabilities


class MemoryStorage(Storage):
    """Gone with the process. Usable from any loop and thread; entering it does nothing."""

    capabilities = StorageCapabilities(name="memory", is_durable=False, is_host_local=True, is_process_local=True)

    def __init__(self, space: MemorySpace) -> None:
        self.runs = MemoryRunStore(space)
        self.log = MemoryTaskLog(space)
        self.commands = MemoryRunCommands(space)
        self.queries = MemoryRunQueries(space)
        self.schedules = MemorySchedules(space)
        self.outbox = MemoryOutbox(space)
        self.registry = MemoryRegistry(space)
        self.journal = MemoryJournal(space)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
