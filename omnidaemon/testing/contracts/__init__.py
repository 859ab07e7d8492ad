"""One suite per port. Subclass it, say how your adapter is made, and pytest judges it.

```python
class TestMyBus(EventBusContract):
    codec = JsonCodec()

    def make_bus(self, context):
        return my_bus(context)
```
"""

from __future__ import annotations

from omnidaemon.testing.contracts.acking_run_store import AckingRunStoreContract
from omnidaemon.testing.contracts.bus import EventBusContract
from omnidaemon.testing.contracts.clock import ClockContract, IdSourceContract
from omnidaemon.testing.contracts.codec import CodecContract
from omnidaemon.testing.contracts.erasing import ErasableContract
from omnidaemon.testing.contracts.interleavings import InterleavingContract
from omnidaemon.testing.contracts.journal import JournalContract
from omnidaemon.testing.contracts.logging_bus import LoggingBusContract
from omnidaemon.testing.contracts.notifier import NotifierContract
from omnidaemon.testing.contracts.outbox import OutboxContract
from omnidaemon.testing.contracts.outbox_upkeep import OutboxUpkeepContract
from omnidaemon.testing.contracts.registry import AgentRegistryContract
from omnidaemon.testing.contracts.run_commands import RunCommandsContract
from omnidaemon.testing.contracts.run_queries import RunQueriesContract
from omnidaemon.testing.contracts.run_store import RunStoreContract
from omnidaemon.testing.contracts.schedules import SchedulesContract
from omnidaemon.testing.contracts.storage import StorageContract
from omnidaemon.testing.contracts.task_log import TaskLogContract

__all__ = [
    "AckingRunStoreContract",
    "AgentRegistryContract",
    "ClockContract",
    "CodecContract",
    "ErasableContract",
    "EventBusContract",
    "IdSourceContract",
    "InterleavingContract",
    "JournalContract",
    "LoggingBusContract",
    "NotifierContract",
    "OutboxContract",
    "OutboxUpkeepContract",
    "RunCommandsContract",
    "RunQueriesContract",
    "RunStoreContract",
    "SchedulesContract",
    "StorageContract",
    "TaskLogContract",
]
