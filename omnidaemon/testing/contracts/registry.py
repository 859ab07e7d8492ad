"""What every AgentRegistry keeps: who is subscribed and from where, who lives, and what people want."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon.domain.agent import AgentProfile, Start, WhenStopped, WorkerReport
from omnidaemon.domain.errors import AgentNotFound, WorkerNotFound
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import RetryAfter
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.states import Status
from omnidaemon.ports.registry import ALIVE_SECONDS
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker, states, succeeded

LATE = Subscription(TOPIC, "late")


def profiles(*subscriptions: Subscription) -> list[AgentProfile]:
    """Plain profiles of these agents."""
    return [AgentProfile(subscription=subscription) for subscription in subscriptions]


def report(place: Place, incarnation: str = "w1", *subscriptions: Subscription) -> WorkerReport:
    """A heartbeat."""
    return WorkerReport(
        incarnation=incarnation, host="host", pid=7, started_at=place.now(), subscriptions=subscriptions, running=2
    )


class AgentRegistryContract(StorageOpening):
    """register() to remove()."""

    pytestmark = pytest.mark.asyncio

    async def test_first_agents_of_a_topic_start_at_the_backlog(self, storage: Storage) -> None:
        """All of one call; whoever comes after they were declared starts at what is published from now on."""
        registry = storage.registry
        assert await registry.register(profiles(GREETER, LOGGER)) == {GREETER: Start.BACKLOG, LOGGER: Start.BACKLOG}
        await registry.declared([GREETER, LOGGER])
        assert await registry.register(profiles(LATE)) == {LATE: Start.NOW}

    async def test_a_confirmed_declaration_is_repeated_at_the_backlog(self, storage: Storage) -> None:
        """A bus that knows the subscription passes over it; another bus shall give it all that waits there."""
        await storage.registry.register(profiles(GREETER))
        await storage.registry.declared([GREETER])
        await storage.registry.register(profiles(LATE))
        await storage.registry.declared([LATE])
        assert await storage.registry.register(profiles(LATE)) == {LATE: Start.BACKLOG}

    async def test_nothing_is_settled_before_a_declaration_is_confirmed(self, storage: Storage, peer: Storage) -> None:
        """A worker that died between registering and declaring leaves it to the next; nothing is settled before."""
        await storage.registry.register(profiles(GREETER))
        assert await peer.registry.register(profiles(GREETER, LATE)) == {GREETER: Start.BACKLOG, LATE: Start.BACKLOG}
        (greeter, late) = (await storage.registry.census()).agents
        assert (greeter.is_declared, late.is_declared) == (False, False)

    async def test_agents_registered_at_once_agree(self, storage: Storage, peer: Storage) -> None:
        """Ten workers that start at the same time register one agent."""
        await asyncio.gather(*((storage, peer)[n % 2].registry.register(profiles(GREETER)) for n in range(10)))
        assert [agent.profile.subscription for agent in (await storage.registry.census()).agents] == [GREETER]

    async def test_register_again_keeps_a_stop(self, storage: Storage) -> None:
        """A known agent gets its new profile and keeps its stop, its start and its declaration."""
        await storage.registry.register(profiles(GREETER))
        await storage.registry.declared([GREETER])
        await storage.registry.desire([GREETER], is_stopped=True)
        new = AgentProfile(
            subscription=GREETER,
            description="says hello",
            tools=("a", "b"),
            when_stopped=WhenStopped.SKIP,
            lease_seconds=5.0,
            concurrency=3,
        )
        await storage.registry.register([new])
        (agent,) = (await storage.registry.census()).agents
        assert (agent.profile, agent.is_stopped, agent.is_declared, agent.start) == (new, True, True, Start.BACKLOG)

    async def test_desire_reaches_every_worker(self, place: Place, storage: Storage, peer: Storage) -> None:
        """With its next heartbeat, and with a hint before; the generation grows with each change only."""
        await storage.registry.register(profiles(GREETER, LOGGER))
        wakeups = peer.runs.wakeups()
        await storage.registry.desire([GREETER], is_stopped=True)
        assert await asyncio.wait_for(wakeups.wait(60), 10)
        wakeups.close()
        assert (await peer.registry.beat(report(place, "w1", GREETER))).stopped == {GREETER}
        await storage.registry.desire([GREETER], is_stopped=True)
        await storage.registry.desire([GREETER], is_stopped=False)
        assert (await peer.registry.beat(report(place, "w1", GREETER))).stopped == frozenset()
        greeter, logger = (await storage.registry.census()).agents
        assert (greeter.generation, logger.generation) == (2, 0)

    async def test_desire_for_an_unknown_agent_changes_none(self, storage: Storage) -> None:
        """All or nothing."""
        await storage.registry.register(profiles(GREETER))
        with pytest.raises(AgentNotFound):
            await storage.registry.desire([GREETER, LOGGER], is_stopped=True)
        assert [agent.is_stopped for agent in (await storage.registry.census()).agents] == [False]

    async def test_census_knows_who_lives(self, place: Place, storage: Storage) -> None:
        """Workers are alive while they are heard, then dead, then forgotten; one that leaves is gone at once."""
        heartbeat = report(place, "w1", GREETER)
        await storage.registry.beat(heartbeat)
        await storage.registry.beat(report(place, "w2"))
        await storage.registry.leave("w2")
        (worker,) = (await storage.registry.census()).workers
        assert (worker.report, worker.is_alive) == (heartbeat, True)
        if not isinstance(place.clock, ManualClock):
            return  # the rest takes an hour
        await place.pass_time(ALIVE_SECONDS + 1)
        await storage.registry.beat(report(place, "w3"))
        alive = {each.report.incarnation: each.is_alive for each in (await storage.registry.census()).workers}
        assert alive == {"w1": False, "w3": True}
        await place.pass_time(3600)
        assert [each.report.incarnation for each in (await storage.registry.census()).workers] == ["w3"]

    async def test_a_drained_worker_hears_of_it(self, place: Place, storage: Storage, peer: Storage) -> None:
        """With every heartbeat until it leaves, and with a hint before; the others do not. A new worker begins anew."""
        for name in ("w1", "w2"):
            assert not (await storage.registry.beat(report(place, name))).is_drained
        wakeups = storage.runs.wakeups()
        await peer.registry.drain(["w1"])
        assert await asyncio.wait_for(wakeups.wait(60), 10)
        wakeups.close()
        await peer.registry.drain(["w1"])
        workers = {each.report.incarnation: each.report for each in (await peer.registry.census()).workers}
        assert {name: told.is_draining for name, told in workers.items()} == {"w1": True, "w2": False}
        for _ in range(2):  # the first answer may be lost
            assert (await storage.registry.beat(report(place, "w1"))).is_drained
        assert not (await storage.registry.beat(report(place, "w2"))).is_drained
        await storage.registry.leave("w1")
        assert not (await storage.registry.beat(report(place, "w1"))).is_drained

    async def test_draining_an_unknown_worker_drains_none(self, place: Place, storage: Storage) -> None:
        """All or nothing."""
        await storage.registry.beat(report(place, "w1"))
        with pytest.raises(WorkerNotFound):
            await storage.registry.drain(["w1", "w2"])
        await storage.registry.drain([])
        assert not (await storage.registry.beat(report(place, "w1"))).is_drained

    async def test_remove_ends_a_subscription(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Its runs are cancelled, running ones flagged; its workers are told; other agents keep theirs."""
        await storage.registry.register(profiles(GREETER, LOGGER))
        running = await worker.begun(place.task("running"), GREETER)
        await worker.begin(
            HoldRun(task=place.task("held"), subscription=GREETER),
            HoldRun(task=place.task("held"), subscription=LOGGER),
        )
        await storage.registry.remove(GREETER)
        assert (await worker.renew(running)).cancelled == {running.run.key}
        records = await storage.queries.records(["held"])
        assert states(records["held"].runs) == {"greeter": "cancelled", "logger": "queued"}
        assert (await storage.registry.beat(report(place, "w1", GREETER, LOGGER))).removed == {GREETER}
        with pytest.raises(AgentNotFound):
            await storage.registry.remove(GREETER)

    async def test_tasks_that_only_a_removed_agent_had_to_begin_are_cancelled(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Nobody will: they have ended, in records and listings, for who waits and for retention; no late delivery
        begins them. What others still have to begin, or what is not yet due, goes on."""
        await storage.log.add([place.task("waited")])
        await storage.registry.register(profiles(GREETER))
        await storage.registry.declared([GREETER])
        await place.pass_time(0.01)
        named = place.task("named")
        await storage.log.add([named])
        await storage.schedules.put([place.task("delayed", due_at=place.now() + timedelta(seconds=50))])
        await storage.registry.register(profiles(LOGGER))
        await storage.registry.declared([LOGGER])
        await place.pass_time(0.01)
        await storage.log.add([place.task("shared")])
        await storage.registry.remove(GREETER)
        records = await storage.queries.records(["waited", "named", "delayed", "shared"])
        assert {task_id: record.status for task_id, record in records.items()} == {
            "waited": Status.CANCELLED,
            "named": Status.CANCELLED,
            "delayed": Status.SCHEDULED,
            "shared": Status.QUEUED,
        }
        assert sorted(await storage.queries.ended(list(records))) == ["named", "waited"]
        for status, expected in ((Status.QUEUED, ["shared"]), (Status.CANCELLED, ["named", "waited"])):
            page = await storage.queries.find(TaskFilter(status=status))
            assert sorted(each.task_id for each in page.standings) == expected
        assert list(await worker.begin(worker.start_of(named, GREETER))) == [None]
        await place.pass_time(1.5)
        assert await storage.commands.prune(timedelta(seconds=1), None, 100) == 2

    async def test_tasks_that_the_bus_may_still_have_wait_for_the_next_agent(
        self, place: Place, storage: Storage
    ) -> None:
        """An agent that was removed before its declaration was confirmed may never have had them."""
        await storage.registry.register(profiles(GREETER))
        await place.pass_time(0.01)
        await storage.log.add([place.task()])
        await storage.registry.remove(GREETER)
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.QUEUED
        page = await storage.queries.find(TaskFilter(status=Status.QUEUED))
        assert [each.task_id for each in page.standings] == ["t1"]

    async def test_an_abandoned_task_can_be_published_anew(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """For whoever is subscribed then."""
        await storage.registry.register(profiles(GREETER))
        await storage.registry.declared([GREETER])
        await place.pass_time(0.01)
        await storage.log.add([place.task()])
        await storage.registry.remove(GREETER)
        await storage.commands.requeue("t1")
        (task,) = (await storage.schedules.take(10, hold_seconds=5.0)).tasks
        await storage.schedules.drop(["t1"])
        page = await storage.queries.find(TaskFilter(status=Status.QUEUED))
        assert [each.task_id for each in page.standings] == ["t1"]
        await worker.settle(await worker.begun(task, LOGGER), succeeded())
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.SUCCEEDED
        assert not (await storage.queries.find(TaskFilter(status=Status.QUEUED))).standings

    async def test_an_heir_goes_on_with_what_nobody_executes(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Waiting runs begin anew under the heir, at their own due times; one that it has handled itself does not."""
        await storage.registry.register(profiles(GREETER, LOGGER))
        retrying = await worker.begun(place.task("retrying"), GREETER)
        await worker.settle(retrying, RetryAfter(seconds=60.0))
        await worker.begin(HoldRun(task=place.task("held"), subscription=GREETER))
        both = place.task("both")
        await worker.begin(HoldRun(task=both, subscription=GREETER), HoldRun(task=both, subscription=LOGGER))
        await storage.registry.remove(GREETER, heir=LOGGER)
        records = await storage.queries.records(["retrying", "held", "both"])
        for task_id in records:
            assert states(records[task_id].runs) == {"greeter": "cancelled", "logger": "queued"}
        claims = await worker.claim(worker.limit(LOGGER, slots=5))
        assert sorted(grant.run.task_id for grant in claims.grants) == ["both", "held"]
        (heirs,) = (run for run in records["retrying"].runs if run.subscription == LOGGER)
        assert (heirs.attempts, heirs.errors) == (0, ())

    async def test_removed_agent_begins_anew(self, storage: Storage) -> None:
        """Registered again, it is an agent like any other that comes late, without its stop."""
        await storage.registry.register(profiles(GREETER, LOGGER))
        await storage.registry.declared([GREETER, LOGGER])
        await storage.registry.desire([GREETER], is_stopped=True)
        await storage.registry.remove(GREETER)
        assert await storage.registry.register(profiles(GREETER)) == {GREETER: Start.NOW}
        assert [agent.is_stopped for agent in (await storage.registry.census()).agents] == [False, False]
