"""A store that acks on the bus beside it as it begins, over those of a workshop."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from omnidaemon.ports.bus import AckableInbox
from omnidaemon.ports.run_store import AckingRunStore
from tests.unit.app.workshop import Workshop

_SCOPE = "both"


class _PassingOn:
    """Whatever it is asked goes on to the one that it stands before."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class Ackable(_PassingOn, AckableInbox):
    """`forgotten` are the ids of what it was told that the bus has forgotten."""

    def __init__(self, inbox: Any) -> None:
        super().__init__(inbox)
        self.forgotten: list[str] = []

    def acks(self, deliveries):
        return self._behind, deliveries

    def acked(self, deliveries):
        self.forgotten += [each.task.task_id for each in deliveries]


class Acking(_PassingOn, AckingRunStore):
    """Begins, then acks, and fails in either."""

    async def begin_acked(self, request, intakes, acks):
        inbox, deliveries = acks
        answers = await self._behind.begin(request, intakes)
        await inbox.ack(deliveries)
        return answers


class AckedOn(_PassingOn):
    """A bus whose inboxes are ackable."""

    def __init__(self, bus: Any) -> None:
        super().__init__(bus)
        self.capabilities = attrs.evolve(bus.capabilities, transaction_scope=_SCOPE)
        self.inboxes: list[Ackable] = []

    async def subscribe(self, subscriptions):
        self.inboxes.append(Ackable(await self._behind.subscribe(subscriptions)))
        return self.inboxes[-1]


def begun_and_acked_together(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> AckedOn:
    """The workshop's bus, on which its storage acks from now on; for whoever is made after this."""
    bus = AckedOn(shop.bus)
    monkeypatch.setattr(shop, "bus", bus)
    monkeypatch.setattr(shop.storage, "runs", Acking(shop.runs))
    monkeypatch.setattr(shop.storage, "capabilities", attrs.evolve(shop.storage.capabilities, transaction_scope=_SCOPE))
    return bus
