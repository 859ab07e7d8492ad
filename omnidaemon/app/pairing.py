"""Which bus goes with which store."""

from __future__ import annotations

from omnidaemon.domain.errors import MismatchedPair
from omnidaemon.ports.bus import BusCapabilities, EventBus, LoggingBus
from omnidaemon.ports.storage import StorageCapabilities


def mismatch(bus: BusCapabilities, store: StorageCapabilities) -> MismatchedPair | None:
    """Why the store would break the bus's promise, None when they fit.

    A begun task is as durable as its store, so a durable bus with a store that forgets would lose what it was trusted
    with; and workers that share a bus must share the store, or each would begin every redelivered task again.
    """
    if bus.is_durable and not store.is_durable:
        return MismatchedPair(bus.name, store.name, "the bus keeps tasks, the store would forget them once begun")
    if not bus.is_host_local and store.is_host_local:
        return MismatchedPair(bus.name, store.name, "workers on other machines reach the bus, but not this store")
    return None


def logging_bus(bus: EventBus, store: StorageCapabilities) -> LoggingBus | None:
    """The bus as one that writes the store's task log too, None where that takes a call of its own."""
    scope = bus.capabilities.transaction_scope
    return bus if isinstance(bus, LoggingBus) and scope is not None and scope == store.transaction_scope else None
