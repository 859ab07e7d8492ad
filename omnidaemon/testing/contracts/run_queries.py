"""What every RunQueries keeps: records, pages, counts and metrics that tell the same story."""

from __future__ import annotations

import contextlib
import json

import pytest

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.errors import InvalidValue, OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.requests import EndRun, HoldRun
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import RunState, Status
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening, live_on
from omnidaemon.testing.contracts.schedules import delayed
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import LEASE_SECONDS, ScriptedWorker, outcome, succeeded

ERROR = AttemptError(type="ValueError", message="boom")


async def found(storage: Storage, wanted: TaskFilter, limit: int = 100) -> list[str]:
    """The ids of all tasks that match, over all pages."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await storage.queries.find(wanted, cursor, limit)
        ids += [each.task_id for each in page.standings]
        cursor = page.cursor
        if cursor is None:
            return ids


async def one_in_each_state(place: Place, storage: Storage, worker: ScriptedWorker) -> None:
    """A task of the greeter in every status, each named for it."""
    await storage.schedules.put([delayed(place, "scheduled", 50)])
    await worker.begin(
        HoldRun(task=place.task("queued"), subscription=GREETER, delay_seconds=50),
        EndRun(task=place.task("skipped"), subscription=GREETER, state=RunState.SKIPPED),
    )
    await worker.begun(place.task("running"), GREETER)
    for task_id, decision in (
        ("retrying", RetryAfter(seconds=50, error=ERROR)),
        ("waiting", Wait(question="?", seconds=50)),
        ("succeeded", succeeded()),
        ("dead", End(state=RunState.DEAD, error=ERROR)),
        ("cancelled", End(state=RunState.CANCELLED)),
    ):
        await worker.settle(await worker.begun(place.task(task_id), GREETER), decision)


class RunQueriesContract(StorageOpening):
    """records(), ended(), find(), counts(), metrics()."""

    pytestmark = pytest.mark.asyncio

    async def test_records_of_what_is_unknown_are_left_out(self, place: Place, storage: Storage) -> None:
        """One answer per task that is known."""
        await storage.log.add([place.task("t1")])
        assert list(await storage.queries.records(["t1", "nowhere"])) == ["t1"]
        assert await storage.queries.records([]) == {}

    async def test_texts_that_nothing_can_hold_are_found_nowhere(self, storage: Storage) -> None:
        """Half a surrogate pair or a NUL in what is asked for: nothing, or a typed error."""
        queries = storage.queries
        for odd in ("half \ud800", "NUL \0"):
            with contextlib.suppress(InvalidValue):
                assert await queries.records([odd]) == {}
            with contextlib.suppress(InvalidValue):
                assert list(await queries.ended([odd])) == [odd]
            for wanted in (TaskFilter(topic=odd), TaskFilter(agent=odd), TaskFilter(agent=odd, status=Status.QUEUED)):
                with contextlib.suppress(InvalidValue):
                    assert await found(storage, wanted) == []
            with contextlib.suppress(InvalidValue):
                assert list(await storage.journal.read(task_id=odd)) == []
            with pytest.raises(OmniDaemonError):
                await storage.commands.cancel(odd)
            with pytest.raises(OmniDaemonError):
                await storage.registry.remove(Subscription(odd, odd))

    async def test_records_are_seen_over_every_connection(
        self, place: Place, peer: Storage, worker: ScriptedWorker
    ) -> None:
        """What one connection wrote, another reads, once the call has returned."""
        grant = await worker.begun(place.task(), GREETER)
        assert (await peer.queries.records(["t1"]))["t1"].runs == (grant.run,)
        await worker.settle(grant, succeeded(b"[1]"))
        assert (await peer.queries.records(["t1"]))["t1"].runs[0].result == b"[1]"

    async def test_ended_names_what_is_worth_a_look(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Tasks with an ended run, cancelled ones, and those that are not known."""
        await storage.log.add([place.task("queued"), place.task("cancelled")])
        await storage.commands.cancel("cancelled")
        await worker.begun(place.task("running"), GREETER)
        await worker.settle(await worker.begun(place.task("done"), GREETER), succeeded())
        asked = ["queued", "cancelled", "running", "done", "nowhere"]
        assert sorted(await storage.queries.ended(asked)) == ["cancelled", "done", "nowhere"]

    @pytest.mark.parametrize("status", list(Status))
    async def test_find_by_status(self, place: Place, storage: Storage, worker: ScriptedWorker, status: Status) -> None:
        """Each status finds its task, and only that."""
        await one_in_each_state(place, storage, worker)
        assert await found(storage, TaskFilter(status=status)) == [status.value]
        (record,) = (await storage.queries.records([status.value])).values()
        assert record.status is status

    async def test_find_by_topic_and_agent(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Filters narrow together; an agent matches what it has run or has to run."""
        await storage.registry.register([AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        await storage.log.add([place.task("logged"), place.task("other", topic="other")])
        await worker.settle(await worker.begun(place.task("greeted"), GREETER), succeeded())
        assert sorted(await found(storage, TaskFilter(topic=GREETER.topic))) == ["greeted", "logged"]
        assert await found(storage, TaskFilter(agent="greeter")) == ["greeted"]
        # The logger was there first, so it has to answer also for the task whose publisher never logged it.
        assert sorted(await found(storage, TaskFilter(agent="logger"))) == ["greeted", "logged"]
        assert sorted(await found(storage, TaskFilter(agent="logger", status=Status.QUEUED))) == ["greeted", "logged"]
        assert await found(storage, TaskFilter(status=Status.QUEUED, topic="other")) == ["other"]
        assert await found(storage, TaskFilter(agent="greeter", status=Status.DEAD)) == []
        assert await found(storage, TaskFilter(topic="other", agent="greeter")) == []

    async def test_find_goes_newest_first_page_by_page(self, place: Place, storage: Storage) -> None:
        """Each task once, also while more come in."""
        for number in range(5):
            await storage.log.add([place.task(f"t{number}")])
            await place.pass_time(0.01)
        first = await storage.queries.find(TaskFilter(), limit=2)
        assert [each.task_id for each in first.standings] == ["t4", "t3"]
        await storage.log.add([place.task("t5")])
        second = await storage.queries.find(TaskFilter(), first.cursor, limit=2)
        third = await storage.queries.find(TaskFilter(), second.cursor, limit=2)
        assert [each.task_id for each in (*second.standings, *third.standings)] == ["t2", "t1", "t0"]
        assert third.cursor is None

    async def test_find_tells_of_each_task_what_its_record_does(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """In whatever state it is, whichever agents the tasks beside it have, and whatever was listed before."""
        await storage.registry.register([AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        await storage.log.add([place.task("running"), place.task("dead"), place.task("unbegun"), place.task("marked")])
        await storage.commands.cancel("marked")
        await one_in_each_state(place, storage, worker)
        agents = [Subscription("crowded", f"agent{number}") for number in range(50)]
        for number in range(0, 50, 5):
            task = place.task(f"crowded{number}", topic="crowded")
            await worker.begin(*(worker.start_of(task, agent) for agent in agents[number : number + 7]))
        once = (await storage.queries.find(TaskFilter())).standings
        again = (await storage.queries.find(TaskFilter())).standings
        records = await storage.queries.records([each.task_id for each in once])
        assert len(records) == 21
        for each in (*once, *again):
            record = records[each.task_id]
            assert TaskResult.of(each, None, json.loads) == TaskResult.of(record, None, json.loads)
            assert (each.agents, each.is_cancelled, each.scheduled_for) == (
                record.agents,
                record.is_cancelled,
                record.scheduled_for,
            )

    async def test_find_refuses_a_foreign_cursor(self, storage: Storage) -> None:
        """With a typed error."""
        with pytest.raises(InvalidValue):
            await storage.queries.find(TaskFilter(), "no cursor of ours")

    async def test_counts_are_per_agent_and_state(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Zeros are left out."""
        await one_in_each_state(place, storage, worker)
        await worker.begun(place.task("running"), LOGGER)
        await worker.begun(place.task("running too"), LOGGER)
        counts = dict(await storage.queries.counts())
        assert counts.pop((LOGGER, Status.RUNNING)) == 2
        assert counts == {(GREETER, status): 1 for status in Status if status is not Status.SCHEDULED}

    async def test_metrics_add_up(
        self, place: Place, peer: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """Over both connections; what was asked twice counts once."""
        for task_id, each in (("t1", worker), ("t2", rival)):
            finish = outcome(await each.begun(place.task(task_id), GREETER), succeeded(), seconds=0.25)
            await each.finish(finish)
            await each.finish(finish, again=True)
        await worker.settle(await worker.begun(place.task("t3"), GREETER), RetryAfter(seconds=0.0, error=ERROR))
        await worker.settle(await worker.claimed(GREETER), End(state=RunState.DEAD, error=ERROR))
        await worker.begin(EndRun(task=place.task("t4"), subscription=GREETER, state=RunState.SKIPPED))
        await worker.begun(place.task("t5"), GREETER)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        await rival.claim()
        metrics = (await peer.queries.metrics())[GREETER]
        assert (metrics.tasks_received, metrics.tasks_processed, metrics.tasks_skipped) == (5, 2, 1)
        assert (metrics.tasks_failed, metrics.tasks_retried, metrics.tasks_dead_lettered) == (2, 1, 1)
        assert (metrics.tasks_crashed, metrics.attempts_timed) == (1, 4)
        assert metrics.seconds_sum == pytest.approx(1.5)

    async def test_metrics_and_counts_outlive_nothing_that_was_never(self, storage: Storage) -> None:
        """A fresh storage is empty."""
        assert await storage.queries.metrics() == {}
        assert await storage.queries.counts() == {}
        assert await found(storage, TaskFilter()) == []
        assert (await storage.queries.records(["t1"])).get("t1") is None

    async def test_records_of_many_agents_are_whole(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A task's record holds the runs of all of its agents."""
        agents = [Subscription(GREETER.topic, f"agent{number}") for number in range(10)]
        await worker.begin(*(worker.start_of(place.task(), agent) for agent in agents))
        (record,) = (await storage.queries.records(["t1"])).values()
        assert [run.subscription for run in record.runs] == agents
