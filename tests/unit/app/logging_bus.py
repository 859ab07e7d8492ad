"""A bus that writes the task log of the storage beside it, over those of a workshop."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.ports.bus import EventBus, LoggingBus
from omnidaemon.ports.task_log import TaskLog
from tests.unit.app.workshop import Workshop

_SCOPE = "both"


class OneTransaction(LoggingBus):
    """Whatever it is asked as a bus goes on to the one that it stands before. `published` are the ids of what it was
    given to publish and to log."""

    def __init__(self, bus: EventBus, log: TaskLog) -> None:
        self.capabilities = attrs.evolve(bus.capabilities, transaction_scope=_SCOPE)
        self.published: list[str] = []
        self._bus = bus
        self._log = log

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)

    async def publish_logged(self, tasks):
        self.published += [task.task_id for task in tasks]
        await self._log.add(tasks)
        return await self._bus.publish(tasks)


def within_one_transaction(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> OneTransaction:
    """The workshop's bus, which reaches its storage from now on; for whoever is made after this."""
    bus = OneTransaction(shop.real_bus, shop.storage.log)
    monkeypatch.setattr(shop, "bus", bus)
    monkeypatch.setattr(shop.storage, "capabilities", attrs.evolve(shop.storage.capabilities, transaction_scope=_SCOPE))
    return bus
