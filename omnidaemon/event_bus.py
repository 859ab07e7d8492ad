"""The import path of the event buses that a program may name: `OmniDaemonSDK(event_bus=SqliteEventBus(path=…))`."""

from omnidaemon.adapters.memory import MemoryEventBus
from omnidaemon.adapters.sqlite import SqliteEventBus

__all__ = ["MemoryEventBus", "SqliteEventBus"]
