"""What every EventBus keeps: each task to each agent, once unless something breaks, and nothing lost on the way."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import Confirmation, Delivery, EventBus
from omnidaemon.testing.contracts.bus_opening import drain, ids
from omnidaemon.testing.contracts.bus_upkeep import BusUpkeepContract
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import TOPIC, Place


class EventBusContract(BusUpkeepContract):
    """Everything of an EventBus. A subclass overrides `make_bus`, and may set `redelivered_within_seconds`."""

    pytestmark = pytest.mark.asyncio

    async def test_bus_hands_each_task_to_each_agent(self, place: Place, bus: EventBus) -> None:
        """Every declared agent of the topic gets the task whole; other topics' agents do not."""
        elsewhere = Subscription("other", "greeter")
        await bus.declare(dict.fromkeys([GREETER, LOGGER, elsewhere], Start.NOW))
        inbox = await bus.subscribe([GREETER, LOGGER, elsewhere])
        task = place.task(
            "t1", payload='{"name": "Zoë"}'.encode(), headers={"k": "v"}, webhook="http://x/", reply_to="r"
        )
        (receipt,) = await bus.publish([task])
        assert (receipt.task_id, receipt.confirmation) == ("t1", Confirmation.CONFIRMED)
        assert receipt.receivers in (2, None)
        for subscription in (GREETER, LOGGER):
            (delivery,) = await drain(inbox, subscription, 1)
            assert (delivery.subscription, delivery.task) == (subscription, task)
        assert list(await inbox.receive({elsewhere: 1}, wait_seconds=0)) == []
        await inbox.close()

    async def test_bus_keeps_the_order_of_a_batch(self, place: Place, bus: EventBus) -> None:
        """Receipts and deliveries come in the order of the call."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        names = [f"t{number}" for number in range(25)]
        assert [receipt.task_id for receipt in await bus.publish([place.task(name) for name in names])] == names
        assert ids(await drain(inbox, GREETER, 25)) == names
        await inbox.close()

    async def test_bus_gives_no_more_than_the_credits(self, place: Place, bus: EventBus) -> None:
        """Each subscription's credits bound its own deliveries; one without credits gets none."""
        await bus.declare(dict.fromkeys([GREETER, LOGGER], Start.NOW))
        inbox = await bus.subscribe([GREETER, LOGGER])
        await bus.publish([place.task(f"t{number}") for number in range(5)])
        got: list[Delivery] = []

        async def look() -> list[Delivery]:
            batch = await inbox.receive({GREETER: 2}, wait_seconds=0)
            assert len(batch) <= 2
            got.extend(batch)
            return got

        await eventually(look, lambda deliveries: len(deliveries) >= 5)
        assert {delivery.subscription for delivery in got} == {GREETER}
        await inbox.close()

    async def test_receive_waits_for_a_task(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """A receive under way returns soon after somebody else published, without its time passing."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await inbox.receive({GREETER: 1}, wait_seconds=0)
        receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, wait_seconds=60))
        await asyncio.sleep(0.02)  # into its wait: were it slower, the test would only be easier to pass
        await peer_bus.publish([place.task("t1")])
        deliveries = list(await asyncio.wait_for(receiving, 10)) or await drain(inbox, GREETER, 1)
        assert ids(deliveries) == ["t1"]
        await inbox.close()

    async def test_receive_returns_empty_after_its_time(self, place: Place, bus: EventBus) -> None:
        """None is an answer."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, wait_seconds=0.2))

        async def look() -> bool:
            await place.pass_time(0.1)
            return receiving.done()

        await eventually(look)
        assert list(receiving.result()) == []
        await inbox.close()

    async def test_receive_can_be_interrupted(self, bus: EventBus) -> None:
        """A receive under way returns soon, with what it has; later ones work as before."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, wait_seconds=60))

        async def look() -> bool:
            inbox.interrupt()
            return receiving.done()

        await eventually(look)
        assert list(receiving.result()) == []
        await inbox.close()

    async def test_receive_that_is_cancelled_loses_nothing(self, place: Place, bus: EventBus) -> None:
        """What was published while a receive was being cancelled comes with a later one."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        got: list[Delivery] = []
        for number in range(20):
            receiving = asyncio.ensure_future(inbox.receive({GREETER: 5}, wait_seconds=60))
            await bus.publish([place.task(f"t{number}")])
            for _ in range(number % 4):
                await asyncio.sleep(0)
            receiving.cancel()
            (answer,) = await asyncio.gather(receiving, return_exceptions=True)
            if not isinstance(answer, BaseException):
                got.extend(answer)
        got.extend(await drain(inbox, GREETER, 20 - len(got)))
        assert sorted(ids(got)) == sorted(f"t{number}" for number in range(20))
        await inbox.close()

    async def test_workers_of_an_agent_compete(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """Where the bus lets them compete, each task goes to one of them; else to each, and begin() selects."""
        await bus.declare({GREETER: Start.NOW})
        inboxes = [await bus.subscribe([GREETER]), await peer_bus.subscribe([GREETER])]
        for inbox in inboxes:
            await inbox.receive({GREETER: 1}, wait_seconds=0)
        await bus.publish([place.task(f"t{number}") for number in range(20)])
        got: list[list[Delivery]] = [[], []]
        wanted = 20 if bus.capabilities.competes else 40

        async def look() -> int:
            for inbox, mine in zip(inboxes, got, strict=True):
                mine.extend(await inbox.receive({GREETER: 3}, wait_seconds=0))
            return sum(map(len, got))

        await eventually(look, lambda count: count >= wanted)
        everything = ids([*got[0], *got[1]])
        copies = 1 if bus.capabilities.competes else 2
        assert sorted(everything) == sorted([f"t{number}" for number in range(20)] * copies)
        for inbox in inboxes:
            await inbox.close()

    async def test_ack_makes_the_bus_forget(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """An acked delivery does not come again when its inbox closes; acking twice or too late does no harm."""
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await bus.publish([place.task("t1"), place.task("t2")])
        one, two = await drain(inbox, GREETER, 2)
        await inbox.ack([one])
        await inbox.ack([one])
        await inbox.close()
        await inbox.close()
        await inbox.ack([two])
        if bus.capabilities.is_lossy and not bus.capabilities.competes:
            return  # a bus that only shows tasks has nothing to give back
        other = await peer_bus.subscribe([GREETER])
        assert ids(await drain(other, GREETER, 1)) == ["t2"]
        assert list(await other.receive({GREETER: 5}, wait_seconds=0)) == []
        await other.close()

    async def test_close_gives_back_in_order(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """What was received and not acked is delivered again, soon, to another inbox."""
        if not bus.capabilities.competes:
            pytest.skip("a bus whose workers do not compete takes nothing from the others")
        await bus.declare({GREETER: Start.NOW})
        names = [f"t{number}" for number in range(6)]
        await bus.publish([place.task(name) for name in names])
        inbox = await bus.subscribe([GREETER])
        await drain(inbox, GREETER, 4)
        await inbox.close()
        other = await peer_bus.subscribe([GREETER])
        assert sorted(ids(await drain(other, GREETER, 6))) == names
        await other.close()

    async def test_backlog_goes_to_all_of_the_first_declaration(self, place: Place, bus: EventBus) -> None:
        """Tasks published before any agent wait, in order, for each agent that is declared first; later ones do not
        get them."""
        if not bus.capabilities.keeps_backlog:
            pytest.skip("nothing waits on this bus")
        (receipt,) = await bus.publish([place.task("t1")])
        assert receipt.confirmation is Confirmation.CONFIRMED
        assert receipt.receivers in (0, None)
        await bus.publish([place.task("t2")])
        late = Subscription(TOPIC, "late")
        await bus.declare(dict.fromkeys([GREETER, LOGGER], Start.BACKLOG))
        await bus.declare({late: Start.NOW})
        await bus.publish([place.task("t3")])
        inbox = await bus.subscribe([GREETER, LOGGER, late])
        assert ids(await drain(inbox, GREETER, 3)) == ["t1", "t2", "t3"]
        assert ids(await drain(inbox, LOGGER, 3)) == ["t1", "t2", "t3"]
        assert ids(await drain(inbox, late, 1)) == ["t3"]
        await inbox.close()

    async def test_declare_again_changes_nothing(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """A repeated declaration keeps what waits, and doubles nothing."""
        await bus.declare({GREETER: Start.BACKLOG})
        await bus.publish([place.task("t1")])
        await bus.declare({GREETER: Start.BACKLOG})
        await peer_bus.declare({GREETER: Start.NOW})
        if not bus.capabilities.keeps_backlog:
            return
        inbox = await peer_bus.subscribe([GREETER])
        assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
        assert list(await inbox.receive({GREETER: 5}, wait_seconds=0)) == []
        await inbox.close()

    async def test_what_is_not_acked_is_delivered_again(self, place: Place, bus: EventBus, peer_bus: EventBus) -> None:
        """After some seconds, to anybody; what was acked is not, and an ack that comes too late does no harm."""
        hold_seconds = self.redelivered_within_seconds
        if hold_seconds is None or not bus.capabilities.competes:
            pytest.skip("an inbox of this bus holds what it got as long as it lives")
        await bus.declare({GREETER: Start.NOW})
        await bus.publish([place.task(f"t{number}") for number in range(3)])
        slow, other = await bus.subscribe([GREETER]), await peer_bus.subscribe([GREETER])
        first, second, third = await drain(slow, GREETER, 3)
        await slow.ack([second])
        assert list(await other.receive({GREETER: 5}, wait_seconds=0)) == []
        await place.pass_time(hold_seconds)
        again = await drain(other, GREETER, 2)
        assert sorted(ids(again)) == sorted(ids([first, third]))
        await other.ack(again)
        await slow.ack([first, third])
        await slow.close()
        await place.pass_time(hold_seconds)
        assert list(await other.receive({GREETER: 5}, wait_seconds=0)) == []
        await other.close()
