"""What every TaskLog keeps: each task once, with its agents, and each idempotency key for one task."""

from __future__ import annotations

import asyncio

import pytest

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.states import Status
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded


class TaskLogContract(StorageOpening):
    """add(), reserve(), confirm(), unconfirmed()."""

    pytestmark = pytest.mark.asyncio

    async def test_log_keeps_a_task_whole(self, place: Place, storage: Storage) -> None:
        """With every field, and queued until an agent begins it."""
        task = place.task(
            "t1",
            payload=b'{"a": [1, null, "\xc3\xa9"]}',
            headers={"x": "y"},
            webhook="https://example.org/hook",
            reply_to="replies",
            correlation_id="root",
            causation_id="cause",
            idempotency_key="key",
            trace_context="00-1-2-01",
        )
        await storage.log.add([task])
        (record,) = (await storage.queries.records(["t1"])).values()
        assert (record.task, record.runs, record.status) == (task, (), Status.QUEUED)

    async def test_log_names_the_agents_subscribed_then(self, place: Place, storage: Storage) -> None:
        """An agent that comes later need not answer for the task; one that has gone need not any more."""
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await storage.registry.declared([GREETER, LOGGER])
        await place.pass_time(0.01)
        await storage.log.add([place.task()])
        await place.pass_time(0.01)
        late = AgentProfile(subscription=Subscription(TOPIC, "late"))
        await storage.registry.register([late])
        assert (await storage.queries.records(["t1"]))["t1"].agents == ("greeter", "logger")
        await storage.registry.remove(LOGGER)
        assert (await storage.queries.records(["t1"]))["t1"].agents == ("greeter",)

    async def test_log_of_a_topic_without_agents_waits_for_the_first(self, place: Place, storage: Storage) -> None:
        """The agents of the first declaration have to answer for what waited."""
        await storage.log.add([place.task()])
        assert (await storage.queries.records(["t1"]))["t1"].agents == ()
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await storage.registry.declared([GREETER, LOGGER])
        await storage.registry.register([AgentProfile(subscription=Subscription(TOPIC, "late"))])
        assert (await storage.queries.records(["t1"]))["t1"].agents == ("greeter", "logger")

    async def test_log_adds_a_task_once(self, place: Place, storage: Storage) -> None:
        """A second add of the same id changes nothing and is no news."""
        first = place.task("t1", payload=b"1")
        await storage.log.add([first, place.task("t1", payload=b"2")])
        await storage.log.add([place.task("t1", payload=b"3")])
        (record,) = (await storage.queries.records(["t1"])).values()
        assert record.task == first
        assert [event.kind for event in await storage.journal.read(task_id="t1")] == ["published"]

    async def test_log_after_begin_names_the_agents(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A worker may be faster than the publisher: the agents are filled in, the run is not disturbed."""
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        task = place.task()
        grant = await worker.begun(task, GREETER)
        await storage.log.add([task])
        record = (await storage.queries.records(["t1"]))["t1"]
        assert (record.agents, record.runs) == (("greeter", "logger"), (grant.run,))
        assert record.pending_agents == ("logger",)

    async def test_key_belongs_to_the_first_task(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Who comes second gets the stored task; the key of another topic is another key."""
        mine = place.task("t1", payload=b"1", idempotency_key="k")
        (first,) = await storage.log.reserve([mine])
        assert (first.task, first.is_confirmed) == (mine, False)
        (second,) = await peer.log.reserve([place.task("t2", payload=b"2", idempotency_key="k")])
        assert (second.task, second.is_confirmed) == (mine, False)
        (elsewhere,) = await storage.log.reserve([place.task("t3", topic="other", idempotency_key="k")])
        assert elsewhere.task.task_id == "t3"
        assert sorted(await storage.queries.records(["t1", "t2", "t3"])) == ["t1", "t3"]

    async def test_key_in_one_batch_twice_is_one_task(self, place: Place, storage: Storage) -> None:
        """Answers come in order, both with the first task."""
        answers = await storage.log.reserve([place.task(task_id, idempotency_key="k") for task_id in ("t1", "t2")])
        assert [answer.task.task_id for answer in answers] == ["t1", "t1"]

    async def test_key_reserved_by_many_at_once_is_one_task(
        self, place: Place, storage: Storage, peer: Storage
    ) -> None:
        """Twenty publishers on two connections agree."""
        calls = [
            (storage, peer)[number % 2].log.reserve([place.task(f"t{number}", idempotency_key="k")])
            for number in range(20)
        ]
        answers = [reservation for answer in await asyncio.gather(*calls) for reservation in answer]
        assert len({answer.task.task_id for answer in answers}) == 1

    async def test_key_is_confirmed_once_the_bus_has_it(self, place: Place, storage: Storage) -> None:
        """confirm() is remembered, may be repeated, and passes over ids that are not reserved."""
        await storage.log.reserve([place.task("t1", idempotency_key="k")])
        await storage.log.confirm(["t1", "unknown"])
        await storage.log.confirm(["t1"])
        (again,) = await storage.log.reserve([place.task("t2", idempotency_key="k")])
        assert again.is_confirmed

    async def test_unconfirmed_tasks_are_found_after_their_time(self, place: Place, storage: Storage) -> None:
        """What a publisher reserved and never confirmed is somebody else's to publish; what was confirmed is not."""
        tasks = [place.task(f"t{number}", idempotency_key=f"k{number}") for number in range(3)]
        await storage.log.reserve(tasks)
        await storage.log.confirm(["t1"])
        assert list(await storage.log.unconfirmed(0.5, 10)) == []
        await place.pass_time(0.6)
        assert list(await storage.log.unconfirmed(0.5, 10)) == [tasks[0], tasks[2]]
        assert len(await storage.log.unconfirmed(0.5, 1)) == 1

    async def test_key_lives_as_long_as_its_task(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """After the task was deleted, the key is free."""
        task = place.task("t1", idempotency_key="k")
        await storage.log.reserve([task])
        await worker.settle(await worker.begun(task, GREETER), succeeded())
        await storage.commands.delete("t1")
        (again,) = await storage.log.reserve([place.task("t2", idempotency_key="k")])
        assert (again.task.task_id, again.is_confirmed) == ("t2", False)
