"""What every Erasable keeps: nothing is left of a namespace, and whoever outlives that goes by what is there."""

from __future__ import annotations

from typing import cast

import pytest

from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.errors import AgentNotFound
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import Erasable
from omnidaemon.ports.bus import EventBus, LoggingBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.bus_opening import BusOpening, drain, ids
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import Place


async def erase(bus: EventBus, storage: Storage) -> None:
    """As `omni namespace erase` does."""
    for part in (bus, storage):
        await cast("Erasable", part).erase()


async def start(bus: EventBus, storage: Storage, subscription: Subscription) -> None:
    """As a worker of this agent does."""
    await storage.registry.register([AgentProfile(subscription=subscription)])
    await bus.declare({subscription: Start.BACKLOG})
    await storage.registry.declared([subscription])


async def publish(bus: EventBus, storage: Storage, task: Task) -> None:
    """As a publisher does, by its own connections."""
    if isinstance(bus, LoggingBus):
        await bus.publish_logged([task])
    else:
        await bus.publish([task])
        await storage.log.add([task])


class ErasableContract(BusOpening, StorageOpening):
    """erase(), by a bus and a storage that keep what they are given. A subclass overrides `make_bus` and
    `make_storage`."""

    pytestmark = pytest.mark.asyncio

    async def test_nothing_is_left(self, place: Place, bus: EventBus, storage: Storage) -> None:
        """Neither in the store nor on the bus; and again is no error."""
        await start(bus, storage, GREETER)
        await publish(bus, storage, place.task("t1"))
        await publish(bus, storage, place.task("t2", topic="nobody.listens"))
        await erase(bus, storage)
        await erase(bus, storage)
        assert await storage.queries.records(["t1", "t2"]) == {}
        assert (await storage.registry.census()).agents == ()
        assert await storage.journal.read() == []
        await start(bus, storage, GREETER)
        inbox = await bus.subscribe([GREETER])
        assert await inbox.receive({GREETER: 10}, wait_seconds=0) == []
        await inbox.close()

    async def test_whoever_outlives_it_publishes_for_the_agents_of_afterwards(
        self, place: Place, bus: EventBus, storage: Storage, peer_bus: EventBus, peer: Storage
    ) -> None:
        """However alike what has happened since is to what had happened before: nothing that was known is believed."""
        await start(bus, storage, GREETER)
        await publish(peer_bus, peer, place.task("t1"))
        await peer.log.add([place.task("t2")])
        await erase(bus, storage)
        await start(bus, storage, LOGGER)
        await place.pass_time(0.01)
        await publish(peer_bus, peer, place.task("t3"))
        await peer.log.add([place.task("t4")])
        records = await storage.queries.records(["t1", "t2", "t3", "t4"])
        assert {task_id: record.agents for task_id, record in records.items()} == {
            "t3": ("logger",),
            "t4": ("logger",),
        }
        inbox = await bus.subscribe([LOGGER])
        assert ids(await drain(inbox, LOGGER, 1)) == ["t3"]
        await inbox.close()

    async def test_whoever_outlives_it_gives_orders_to_the_agents_of_afterwards(
        self, bus: EventBus, storage: Storage, peer: Storage
    ) -> None:
        """Those of before are unknown."""
        await start(bus, storage, GREETER)
        await peer.registry.census()
        await erase(bus, storage)
        await start(bus, storage, LOGGER)
        assert [record.profile.subscription for record in (await peer.registry.census()).agents] == [LOGGER]
        with pytest.raises(AgentNotFound):
            await peer.registry.desire([GREETER], is_stopped=True)
