"""All suites of a storage in one class, for an adapter that wants them with one hook."""

from __future__ import annotations

from omnidaemon.testing.contracts.interleavings import InterleavingContract
from omnidaemon.testing.contracts.journal import JournalContract
from omnidaemon.testing.contracts.outbox import OutboxContract
from omnidaemon.testing.contracts.outbox_upkeep import OutboxUpkeepContract
from omnidaemon.testing.contracts.registry import AgentRegistryContract
from omnidaemon.testing.contracts.run_commands import RunCommandsContract
from omnidaemon.testing.contracts.run_queries import RunQueriesContract
from omnidaemon.testing.contracts.run_store import RunStoreContract
from omnidaemon.testing.contracts.schedules import SchedulesContract
from omnidaemon.testing.contracts.task_log import TaskLogContract


class StorageContract(
    RunStoreContract,
    TaskLogContract,
    RunCommandsContract,
    RunQueriesContract,
    SchedulesContract,
    OutboxContract,
    OutboxUpkeepContract,
    AgentRegistryContract,
    JournalContract,
    InterleavingContract,
):
    """Every port of a storage. A subclass overrides `make_storage`."""
