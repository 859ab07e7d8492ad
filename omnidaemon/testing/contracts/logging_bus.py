"""What every LoggingBus keeps: each task in the queues and in the log, or in neither."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, EventBus, LoggingBus, Receipt
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.bus_opening import BusOpening, drain, ids
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker


async def publish_logged(bus: EventBus, tasks: Sequence[Task]) -> Sequence[Receipt]:
    """By the second face of a bus."""
    return await cast("LoggingBus", bus).publish_logged(tasks)


async def subscribe(storage: Storage, bus: EventBus, *subscriptions: Subscription) -> None:
    """As a worker that starts: in the registry, then on the bus."""
    await storage.registry.register([AgentProfile(subscription=each) for each in subscriptions])
    await bus.declare(dict.fromkeys(subscriptions, Start.BACKLOG))
    await storage.registry.declared(subscriptions)


class LoggingBusContract(BusOpening, StorageOpening):
    """publish_logged(), by a bus and the storage whose log it writes. A subclass overrides `make_bus` and
    `make_storage`."""

    pytestmark = pytest.mark.asyncio

    async def test_it_is_known_by_its_scope(self, bus: EventBus, storage: Storage) -> None:
        """Which bus goes with which storage is compared, not guessed; the name of a scope is no secret's place."""
        assert isinstance(bus, LoggingBus)
        assert bus.capabilities.transaction_scope is not None
        assert bus.capabilities.transaction_scope == storage.capabilities.transaction_scope
        assert bus.capabilities.transaction_scope not in repr((bus.capabilities, storage.capabilities))

    async def test_task_is_published_and_logged(self, place: Place, bus: EventBus, storage: Storage) -> None:
        """To each agent, and once in the log, with those who have to answer for it and one line in the journal."""
        await subscribe(storage, bus, GREETER, LOGGER)
        await place.pass_time(0.01)
        task = place.task("t1", payload='{"name": "Zoë"}'.encode(), headers={"k": "v"}, idempotency_key="key")
        (receipt,) = await publish_logged(bus, [task])
        assert (receipt.task_id, receipt.confirmation) == ("t1", Confirmation.CONFIRMED)
        assert receipt.receivers in (2, None)
        record = (await storage.queries.records(["t1"]))["t1"]
        assert (record.task, record.agents, record.status) == (task, ("greeter", "logger"), Status.QUEUED)
        (event,) = await storage.journal.read(task_id="t1")
        assert (event.kind, event.task_id, event.topic, event.agent, event.attempt, event.detail) == (
            "published",
            "t1",
            TOPIC,
            None,
            0,
            "",
        )
        inbox = await bus.subscribe([GREETER, LOGGER])
        for subscription in (GREETER, LOGGER):
            (delivery,) = await drain(inbox, subscription, 1)
            assert delivery.task == task
        await inbox.close()

    async def test_task_without_agents_waits_in_both(self, place: Place, bus: EventBus, storage: Storage) -> None:
        """The first declaration gets it, and has to answer for it."""
        await publish_logged(bus, [place.task("t1")])
        await subscribe(storage, bus, GREETER)
        assert (await storage.queries.records(["t1"]))["t1"].agents == ("greeter",)
        inbox = await bus.subscribe([GREETER])
        assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
        await inbox.close()

    async def test_agents_are_those_of_the_moment(
        self, place: Place, bus: EventBus, storage: Storage, peer: Storage
    ) -> None:
        """Whoever came or went since the last publication is known, whichever process they came or went in."""
        await subscribe(storage, bus, GREETER)
        await place.pass_time(0.01)
        await publish_logged(bus, [place.task("t1")])
        await subscribe(peer, bus, LOGGER)
        await place.pass_time(0.01)
        await publish_logged(bus, [place.task("t2")])
        await peer.registry.remove(GREETER)
        await bus.retire(GREETER)
        await publish_logged(bus, [place.task("t3"), place.task("t4", topic="other")])
        records = await storage.queries.records(["t1", "t2", "t3", "t4"])
        assert [records[name].agents for name in sorted(records)] == [(), ("logger",), ("logger",), ()]

    async def test_what_is_logged_already_is_published(self, place: Place, bus: EventBus, storage: Storage) -> None:
        """A reserved task, or one whose first publication is in doubt: twice on the bus, once in the log."""
        await subscribe(storage, bus, GREETER)
        task = place.task("t1", idempotency_key="key")
        await storage.log.reserve([task])
        await publish_logged(bus, [task])
        await publish_logged(bus, [task, place.task("t2"), place.task("t2")])
        assert [event.kind for event in await storage.journal.read(task_id="t1")] == ["published"]
        assert [event.kind for event in await storage.journal.read(task_id="t2")] == ["published"]
        inbox = await bus.subscribe([GREETER])
        assert ids(await drain(inbox, GREETER, 4)) == ["t1", "t1", "t2", "t2"]
        await inbox.close()

    async def test_what_is_begun_already_gets_its_agents(
        self, place: Place, bus: EventBus, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """As when its first publication had no reply, and a worker was faster than the second."""
        await subscribe(storage, bus, GREETER, LOGGER)
        await place.pass_time(0.01)
        task = place.task("t1")
        grant = await worker.begun(task, GREETER)
        await publish_logged(bus, [task])
        record = (await storage.queries.records(["t1"]))["t1"]
        assert (record.agents, record.runs) == (("greeter", "logger"), (grant.run,))

    async def test_tasks_of_one_call_may_stand_differently(
        self, place: Place, bus: EventBus, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Logged already, begun already, new, and new twice: each is logged once, and published as often as asked."""
        await subscribe(storage, bus, GREETER, LOGGER)
        await place.pass_time(0.01)
        tasks = {name: place.task(name) for name in ("new", "logged", "begun", "other")}
        await storage.log.add([tasks["logged"]])
        grant = await worker.begun(tasks["begun"], GREETER)
        names = ["new", "logged", "begun", "new", "other"]
        receipts = await publish_logged(bus, [tasks[name] for name in names])
        assert [(receipt.task_id, receipt.confirmation.value) for receipt in receipts] == [
            (name, "confirmed") for name in names
        ]
        records = await storage.queries.records(list(tasks))
        assert {name: record.task for name, record in records.items()} == tasks
        assert {name: record.pending_agents for name, record in records.items()} == {
            name: ("logger",) if name == "begun" else ("greeter", "logger") for name in tasks
        }
        assert records["begun"].runs == (grant.run,)
        for name in tasks:
            told = [event.kind.value for event in await storage.journal.read(task_id=name)]
            assert told.count("published") == 1
        listed = [each.task_id for each in (await storage.queries.find(TaskFilter())).standings]
        assert sorted(listed) == sorted(tasks)
        queued = (await storage.queries.find(TaskFilter(agent="logger"))).standings
        assert {each.task_id for each in queued} == set(tasks)
        inbox = await bus.subscribe([LOGGER])
        assert ids(await drain(inbox, LOGGER, 5)) == names
        await inbox.close()

    async def test_many_keep_their_order(self, place: Place, bus: EventBus, storage: Storage) -> None:
        """Also where they are too many for one transaction."""
        await subscribe(storage, bus, GREETER)
        names = [f"t{number}" for number in range(1200)]
        receipts = await publish_logged(bus, [place.task(name) for name in names])
        assert [(receipt.task_id, receipt.confirmation.value) for receipt in receipts] == [
            (name, "confirmed") for name in names
        ]
        inbox = await bus.subscribe([GREETER])
        assert ids(await drain(inbox, GREETER, 1200)) == names
        await inbox.close()
        events = [event.task_id for event in await storage.journal.read()]
        assert events == names[: len(events)]
        page = await storage.queries.find(TaskFilter(), limit=5)
        assert [each.task_id for each in page.standings] == names[:-6:-1]

    async def test_many_at_once_lose_nothing(
        self, place: Place, bus: EventBus, peer_bus: EventBus, storage: Storage
    ) -> None:
        """A hundred callers over two connections."""
        await subscribe(storage, bus, GREETER)
        names = [f"t{number}" for number in range(100)]
        calls = [publish_logged((bus, peer_bus)[number % 2], [place.task(name)]) for number, name in enumerate(names)]
        receipts = [receipt for answer in await asyncio.gather(*calls) for receipt in answer]
        assert [receipt.task_id for receipt in receipts] == names
        assert len(await storage.queries.records(names)) == 100
        inbox = await bus.subscribe([GREETER])
        assert sorted(ids(await drain(inbox, GREETER, 100))) == sorted(names)
        await inbox.close()
