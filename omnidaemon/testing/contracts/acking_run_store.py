"""What every AckingRunStore keeps: a delivery is begun and forgotten, or neither."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest
import pytest_asyncio

from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import Grant, HoldRun
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import AckableInbox, Delivery, EventBus, Inbox
from omnidaemon.ports.run_store import AckingRunStore
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.bus_opening import BusOpening, drain, ids
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker


class AckingRunStoreContract(BusOpening, StorageOpening):
    """begin_acked(), by a storage and an inbox of the bus that it acks on. A subclass overrides `make_bus` and
    `make_storage`."""

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def inbox(self, bus: EventBus, storage: Storage) -> AsyncIterator[Inbox]:
        """That of the worker."""
        subscriptions = (GREETER, LOGGER)
        await storage.registry.register([AgentProfile(subscription=each) for each in subscriptions])
        await bus.declare(dict.fromkeys(subscriptions, Start.BACKLOG))
        inbox = await bus.subscribe(subscriptions)
        yield inbox
        await inbox.close()

    async def begin(
        self, worker: ScriptedWorker, inbox: Inbox, deliveries: Sequence[Delivery], *, again: bool = False
    ) -> Sequence[Grant | None]:
        """begin_acked() under the worker's lane "begin"."""
        intakes = [worker.start_of(cast("Task", each.task), each.subscription) for each in deliveries]
        acks = cast("AckableInbox", inbox).acks(deliveries)
        request = worker.request("begin", again=again)
        return await cast("AckingRunStore", worker.runs).begin_acked(request, intakes, acks)

    async def left(self, bus: EventBus, inbox: Inbox, subscription: Subscription = GREETER) -> list[str]:
        """What the bus would hand out again, once the worker's inbox is closed."""
        await inbox.close()
        heir = await bus.subscribe([subscription])
        again = await heir.receive({subscription: 2000}, 0.2)
        await heir.close()
        return ids(again)

    async def test_both_are_known_by_their_scope(self, bus: EventBus, storage: Storage, inbox: Inbox) -> None:
        """Which inbox goes with which store is compared, not guessed."""
        assert isinstance(storage.runs, AckingRunStore)
        assert isinstance(inbox, AckableInbox)
        assert bus.capabilities.transaction_scope is not None
        assert bus.capabilities.transaction_scope == storage.capabilities.transaction_scope

    async def test_what_is_begun_is_forgotten(
        self, place: Place, bus: EventBus, storage: Storage, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """Of each agent what it was handed, and nothing else."""
        await bus.publish([place.task("t1"), place.task("t2")])
        mine = [*await drain(inbox, GREETER, 2), *await drain(inbox, LOGGER, 2)]
        begun = [each for each in mine if (each.task.task_id, each.subscription) != ("t2", LOGGER)]
        grants = await self.begin(worker, inbox, begun)
        cast("AckableInbox", inbox).acked(begun)
        assert [grant and grant.run.key for grant in grants] == [
            ("t1", "greeter"),
            ("t2", "greeter"),
            ("t1", "logger"),
        ]
        records = await storage.queries.records(["t1", "t2"])
        assert [len(records[name].runs) for name in ("t1", "t2")] == [2, 1]
        assert await self.left(bus, inbox) == []
        assert await self.left(bus, inbox, LOGGER) == ["t2"]

    async def test_what_is_known_is_dropped_and_forgotten(
        self, place: Place, bus: EventBus, inbox: Inbox, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """The store answers for it already."""
        task = place.task("t1")
        await rival.begun(task, GREETER)
        await bus.publish([task])
        assert list(await self.begin(worker, inbox, await drain(inbox, GREETER, 1))) == [None]
        assert await self.left(bus, inbox) == []

    async def test_what_is_held_is_forgotten(
        self, place: Place, bus: EventBus, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """Surplus is the store's too."""
        await bus.publish([place.task("t1")])
        deliveries = await drain(inbox, GREETER, 1)
        intakes = [HoldRun(task=each.task, subscription=each.subscription) for each in deliveries]
        acks = cast("AckableInbox", inbox).acks(deliveries)
        runs = cast("AckingRunStore", worker.runs)
        assert list(await runs.begin_acked(worker.request("begin"), intakes, acks)) == [None]
        assert await self.left(bus, inbox) == []

    async def test_what_is_refused_is_not_forgotten(
        self, place: Place, bus: EventBus, storage: Storage, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """An overtaken call grants nothing and acks nothing: the bus goes on to answer for the task."""
        await bus.publish([place.task("t1")])
        deliveries = await drain(inbox, GREETER, 1)
        late = worker.request("begin")
        await worker.begin(worker.start_of(place.task("other"), GREETER))
        acks = cast("AckableInbox", inbox).acks(deliveries)
        intakes = [worker.start_of(cast("Task", each.task), GREETER) for each in deliveries]
        with pytest.raises(StaleRequest):
            await cast("AckingRunStore", worker.runs).begin_acked(late, intakes, acks)
        assert await storage.queries.records(["t1"]) == {}
        assert await self.left(bus, inbox) == ["t1"]

    async def test_asked_again_it_gives_the_same_grants(
        self, place: Place, bus: EventBus, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """A lost reply costs nothing, though the bus has forgotten by then."""
        await bus.publish([place.task("t1"), place.task("t2")])
        deliveries = await drain(inbox, GREETER, 2)
        first = await self.begin(worker, inbox, deliveries)
        assert list(await self.begin(worker, inbox, deliveries, again=True)) == list(first)
        assert await self.left(bus, inbox) == []

    async def test_ack_beside_it_does_no_harm(
        self, place: Place, bus: EventBus, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """Before it and after it."""
        await bus.publish([place.task("t1"), place.task("t2")])
        deliveries = await drain(inbox, GREETER, 2)
        await inbox.ack(deliveries[:1])
        assert all(await self.begin(worker, inbox, deliveries))
        cast("AckableInbox", inbox).acked(deliveries)
        await inbox.ack(deliveries)
        assert await self.left(bus, inbox) == []

    async def test_many_go_at_once(
        self, place: Place, bus: EventBus, storage: Storage, inbox: Inbox, worker: ScriptedWorker
    ) -> None:
        """As many as a worker may have slots."""
        names = [f"t{number}" for number in range(1200)]
        tasks = [place.task(name) for name in names]
        await bus.publish(tasks)
        deliveries = await drain(inbox, GREETER, 1200)
        assert all(await self.begin(worker, inbox, deliveries))
        assert len(await storage.queries.records(names)) == 1200
        assert await self.left(bus, inbox) == []
