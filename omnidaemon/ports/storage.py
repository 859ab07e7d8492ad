"""The storage: one technology behind several narrow ports, each cut by who calls it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.ports.journal import Journal
from omnidaemon.ports.outbox import Outbox
from omnidaemon.ports.registry import AgentRegistry
from omnidaemon.ports.run_commands import RunCommands
from omnidaemon.ports.run_queries import RunQueries
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.schedules import Schedules
from omnidaemon.ports.task_log import TaskLog


@attrs.frozen(kw_only=True)
class StorageCapabilities:
    """What a storage is by nature, as data; the words are those of `BusCapabilities`."""

    name: str
    is_durable: bool = True
    is_host_local: bool = False
    is_process_local: bool = False
    transaction_scope: str | None = attrs.field(default=None, repr=False)
    location: str = ""


class Storage(ABC):
    """All ports of one technology over one connection. An async context manager; usable between enter and exit.

    Vendor errors never escape any of the ports: what may pass is `BackendUnavailable`, what a person has to mend
    `BackendUnusable`. Every call is atomic: all of it is written, or nothing.
    """

    capabilities: StorageCapabilities
    runs: RunStore
    log: TaskLog
    commands: RunCommands
    queries: RunQueries
    schedules: Schedules
    outbox: Outbox
    registry: AgentRegistry
    journal: Journal

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
