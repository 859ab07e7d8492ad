"""How the suites of a bus open it, and take from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import pytest
import pytest_asyncio

from omnidaemon.domain.names import Subscription
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import Delivery, EventBus, Inbox
from omnidaemon.testing.contracts.opening import AdapterContract
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import Place


async def drain(inbox: Inbox, subscription: Subscription, count: int) -> list[Delivery]:
    """So many deliveries to the agent, however many calls they come in."""
    got: list[Delivery] = []

    async def look() -> list[Delivery]:
        got.extend(await inbox.receive({subscription: count - len(got)}, wait_seconds=0))
        return got

    return await eventually(look, lambda deliveries: len(deliveries) >= count)


def ids(deliveries: Sequence[Delivery]) -> list[str]:
    """The ids of the tasks delivered."""
    return [delivery.task.task_id for delivery in deliveries]


class BusOpening(AdapterContract):
    """Reads `bus.capabilities` to know what is promised. A subclass overrides `make_bus`, and may set
    `redelivered_within_seconds`: how soon it hands out again what was received and not acked; None for a bus that
    does so only when the inbox has closed or died."""

    pytestmark = pytest.mark.asyncio

    redelivered_within_seconds: ClassVar[float | None] = 6.0

    def make_bus(self, context: BackendContext) -> EventBus:
        """The bus for this context, not entered yet: what the plugin's entry point does."""
        raise NotImplementedError(f"{type(self).__name__}.make_bus(context): return your bus, not entered")

    @pytest_asyncio.fixture
    async def bus(self, place: Place) -> AsyncIterator[EventBus]:
        """The bus under test."""
        async with self.make_bus(place.context()) as bus:
            yield bus

    @pytest_asyncio.fixture
    async def peer_bus(self, place: Place, bus: EventBus) -> AsyncIterator[EventBus]:
        """A second connection to the same queues: of another process where the bus reaches that far."""
        async with self.make_bus(place.peer_context(bus.capabilities)) as peer:
            yield peer
