"""Which bus goes with which store."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from omnidaemon.domain.errors import MismatchedPair
from omnidaemon.domain.requests import Grant, Intake, Request
from omnidaemon.ports.bus import AckableInbox, BusCapabilities, Delivery, EventBus, Inbox, LoggingBus
from omnidaemon.ports.run_store import AckingRunStore
from omnidaemon.ports.storage import Storage, StorageCapabilities


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
    return bus if isinstance(bus, LoggingBus) and _is_one_transaction(bus.capabilities, store) else None


@attrs.frozen
class Handover:
    """An inbox and a store that are reached by one transaction."""

    inbox: AckableInbox
    runs: AckingRunStore

    async def begin(
        self, request: Request, intakes: Sequence[Intake], deliveries: Sequence[Delivery]
    ) -> Sequence[Grant | None]:
        """Begin these and have the bus forget them, both or neither."""
        answers = await self.runs.begin_acked(request, intakes, self.inbox.acks(deliveries))
        self.inbox.acked(deliveries)
        return answers


def handover(inbox: Inbox, bus: BusCapabilities, storage: Storage) -> Handover | None:
    """How deliveries are begun and acked in one transaction, None where these are two calls."""
    runs = storage.runs
    if not _is_one_transaction(bus, storage.capabilities):
        return None
    return Handover(inbox, runs) if isinstance(inbox, AckableInbox) and isinstance(runs, AckingRunStore) else None


def _is_one_transaction(bus: BusCapabilities, store: StorageCapabilities) -> bool:
    return bus.transaction_scope is not None and bus.transaction_scope == store.transaction_scope
