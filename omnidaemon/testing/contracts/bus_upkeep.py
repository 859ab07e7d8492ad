"""What every EventBus keeps beside its deliveries: retiring, purging, many publishers, depths, restarts."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import BusInspector, Confirmation, EventBus
from omnidaemon.testing.contracts.bus_opening import BusOpening, drain, ids
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.place import TOPIC, Place


class BusUpkeepContract(BusOpening):
    """retire(), purge(), publish() from many sides, depths(), and what survives."""

    pytestmark = pytest.mark.asyncio

    async def test_retire_drops_what_waits(self, place: Place, bus: EventBus) -> None:
        """A retired subscription gets nothing; declared anew, it begins with what comes then."""
        await bus.declare(dict.fromkeys([GREETER, LOGGER], Start.NOW))
        await bus.publish([place.task("t1")])
        await bus.retire(GREETER)
        await bus.retire(GREETER)
        await bus.publish([place.task("t2")])
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER, LOGGER])
        await inbox.receive({GREETER: 1}, wait_seconds=0)
        await bus.publish([place.task("t3")])
        assert ids(await drain(inbox, GREETER, 1)) == ["t3"]
        await inbox.close()

    async def test_purge_empties_a_topic(self, place: Place, bus: EventBus) -> None:
        """For all of its agents, and for none; other topics keep theirs."""
        if not bus.capabilities.keeps_backlog:
            pytest.skip("nothing waits on this bus")
        elsewhere = Subscription("other", "greeter")
        await bus.declare(dict.fromkeys([GREETER, LOGGER, elsewhere], Start.NOW))
        await bus.publish([place.task("t1"), place.task("t2"), place.task("t3", topic="other")])
        await bus.publish([place.task("t4", topic="nobody")])
        assert await bus.purge(TOPIC) == 4
        assert await bus.purge("nobody") == 1
        inbox = await bus.subscribe([GREETER, elsewhere])
        assert ids(await drain(inbox, elsewhere, 1)) == ["t3"]
        assert list(await inbox.receive({GREETER: 5}, wait_seconds=0)) == []
        await inbox.close()

    async def test_publishers_at_once_lose_nothing(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """Many calls at once on two connections: each task arrives once."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await inbox.receive({GREETER: 1}, wait_seconds=0)
        names = [f"t{number}" for number in range(40)]
        calls = [(bus, peer_bus)[n % 2].publish([place.task(name)]) for n, name in enumerate(names)]
        receipts = [receipt for answer in await asyncio.gather(*calls) for receipt in answer]
        assert {receipt.confirmation for receipt in receipts} == {Confirmation.CONFIRMED}
        assert sorted(ids(await drain(inbox, GREETER, 40))) == sorted(names)
        await inbox.close()

    async def test_depths_tell_what_waits(self, place: Place, bus: EventBus) -> None:
        """Where the bus can be inspected: each subscription, and each topic without agents, with its counts."""
        if not isinstance(bus, BusInspector):
            pytest.skip("this bus has no inspector")
        await bus.declare({GREETER: Start.NOW})
        await bus.publish([place.task("t1"), place.task("t2"), place.task("t3", topic="nobody")])
        inbox = await bus.subscribe([GREETER])
        (delivery,) = await drain(inbox, GREETER, 1)
        rows = [(row.topic, row.agent, row.waiting, row.held) for row in await bus.depths()]
        assert rows == [(TOPIC, "greeter", 1, 1), ("nobody", None, 1, 0)]
        await inbox.ack([delivery])
        rows = [(row.topic, row.agent, row.waiting, row.held) for row in await bus.depths()]
        assert rows[0] == (TOPIC, "greeter", 1, 0)
        await inbox.close()

    async def test_durable_bus_keeps_tasks_over_a_restart(self, place: Place, bus: EventBus) -> None:
        """What a durable bus confirmed is there when a new process opens it."""
        if not bus.capabilities.is_durable:
            pytest.skip("this bus says that it is not durable")
        async with self.make_bus(place.context("first")) as first:
            await first.declare({GREETER: Start.NOW})
            await first.publish([place.task("t1")])
        async with self.make_bus(place.context("second")) as second:
            inbox = await second.subscribe([GREETER])
            assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
            await inbox.close()
