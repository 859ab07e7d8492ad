"""Everything in this process's memory: for tests, for trying things out, and as the plainest example of an adapter."""

from __future__ import annotations

from omnidaemon.adapters.memory.bus import MemoryBus
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.adapters.memory.storage import MemoryStorage
from omnidaemon.ports.backend import BackendContext

__all__ = [
    "MemoryBus",
    "MemoryEventBus",
    "MemoryResultStore",
    "MemorySpace",
    "MemoryStorage",
    "memory_bus",
    "memory_storage",
]


def _space(context: BackendContext) -> MemorySpace:
    return context.shared.get("memory", lambda: MemorySpace(context.clock))


def memory_bus(context: BackendContext) -> MemoryBus:
    """The bus of this container's memory."""
    return MemoryBus(_space(context).bus)


def memory_storage(context: BackendContext) -> MemoryStorage:
    """The storage of this container's memory."""
    return MemoryStorage(_space(context))


class MemoryEventBus:
    """A factory of buses over the container's memory, as a program names it."""

    def __call__(self, context: BackendContext) -> MemoryBus:
        return memory_bus(context)


class MemoryResultStore:
    """A factory of storages over the container's memory, as a program names it."""

    def __call__(self, context: BackendContext) -> MemoryStorage:
        return memory_storage(context)
