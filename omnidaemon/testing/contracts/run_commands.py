"""What every RunCommands keeps: cancel, requeue, answer, delete and prune, from every state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.errors import TaskNotFound, WrongState
from omnidaemon.domain.policy import RetryAfter, Wait
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.states import RunState, Status
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.contracts.pruning import PruneContract
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, given_up, states, succeeded


async def states_of(storage: Storage, task_id: str = "t1") -> dict[str, RunState]:
    """The states of the task's runs by agent."""
    return states((await storage.queries.records([task_id]))[task_id].runs)


class CancelContract(StorageOpening):
    """cancel()."""

    pytestmark = pytest.mark.asyncio

    async def test_cancel_before_begin_is_for_every_agent(self, place: Place, storage: Storage) -> None:
        """The agents that have to answer for the task have cancelled runs at once."""
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        await storage.log.add([place.task()])
        await storage.commands.cancel("t1")
        assert await states_of(storage) == {"greeter": "cancelled", "logger": "cancelled"}
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.CANCELLED

    async def test_cancel_of_one_agent_leaves_the_others(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Only the run named ends, though it was never begun."""
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        task = place.task()
        await storage.log.add([task])
        await storage.commands.cancel("t1", "greeter")
        answers = await worker.begin(worker.start_of(task, GREETER), worker.start_of(task, LOGGER))
        assert [bool(grant) for grant in answers] == [False, True]
        assert await states_of(storage) == {"greeter": "cancelled", "logger": "running"}

    async def test_cancel_ends_what_is_due_or_waits(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Queued, retrying and waiting runs are over at once, and nobody claims them."""
        await worker.begin(HoldRun(task=place.task("queued"), subscription=GREETER))
        await worker.settle(await worker.begun(place.task("retrying"), GREETER), RetryAfter(seconds=0.0))
        await worker.settle(await worker.begun(place.task("waiting"), GREETER), Wait(question="?", seconds=0.0))
        for task_id in ("queued", "retrying", "waiting"):
            await storage.commands.cancel(task_id)
            assert await states_of(storage, task_id) == {"greeter": "cancelled"}
        assert (await worker.claim(worker.limit(GREETER, slots=5))).grants == ()

    async def test_cancel_of_what_has_ended_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """An end is final; so is a second cancel."""
        await worker.settle(await worker.begun(place.task("t1"), GREETER), succeeded())
        await storage.log.add([place.task("t2")])
        await storage.commands.cancel("t2")
        for task_id in ("t1", "t2"):
            with pytest.raises(WrongState):
                await storage.commands.cancel(task_id)

    async def test_commands_on_what_is_unknown_are_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A task or an agent that is not there is named in the error."""
        commands = storage.commands
        await worker.begun(place.task("t1"), GREETER)
        for call in (
            commands.cancel("nowhere"),
            commands.requeue("nowhere"),
            commands.delete("nowhere"),
            commands.answer("nowhere", "greeter", "?", b"1"),
            commands.cancel("t1", "nobody"),
            commands.requeue("t1", "nobody"),
            commands.delete("t1", "nobody"),
            commands.answer("t1", "nobody", "?", b"1"),
        ):
            with pytest.raises(TaskNotFound):
                await call


class RequeueContract(StorageOpening):
    """requeue() and answer()."""

    pytestmark = pytest.mark.asyncio

    async def test_requeue_begins_a_new_life(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """With nothing held against it; the fence goes on, so that the old life's grant stays void."""
        old = await worker.begun(place.task(), GREETER)
        await worker.settle(old, given_up())
        await storage.commands.requeue("t1")
        new = await worker.claimed(GREETER)
        assert (new.run.life, new.run.attempt, new.run.errors, new.run.crashes) == (2, 1, (), 0)
        assert new.run.fence > old.run.fence
        assert not await worker.settle(old, succeeded())
        assert await worker.settle(new, succeeded())

    async def test_requeue_chooses_what_did_not_succeed(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Without an agent, succeeded runs rest; with one, its run lives again whatever its end was."""
        task = place.task()
        await worker.settle(await worker.begun(task, GREETER), succeeded())
        await worker.settle(await worker.begun(task, LOGGER), given_up())
        await storage.commands.requeue("t1")
        assert await states_of(storage) == {"greeter": "succeeded", "logger": "queued"}
        await storage.commands.requeue("t1", "greeter")
        assert await states_of(storage) == {"greeter": "queued", "logger": "queued"}

    async def test_requeue_of_a_cancelled_task_that_nobody_began_publishes_it_anew(
        self, place: Place, storage: Storage
    ) -> None:
        """Whether it was scheduled or published: it comes from the schedules, at its own time, and is not lost."""
        await storage.schedules.put([place.task("delayed", due_at=place.now() + timedelta(seconds=0.2))])
        await storage.log.add([place.task("published")])
        for task_id in ("delayed", "published"):
            await storage.commands.cancel(task_id)
        assert (await storage.schedules.take(10, hold_seconds=5.0)).tasks == ()
        for task_id in ("delayed", "published"):
            await storage.commands.requeue(task_id)
        (record,) = (await storage.queries.records(["delayed"])).values()
        assert record.status is Status.SCHEDULED
        await place.pass_time(0.3)
        taken = await storage.schedules.take(10, hold_seconds=5.0)
        assert sorted(task.task_id for task in taken.tasks) == ["delayed", "published"]

    async def test_requeue_of_what_has_not_ended_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """It is a compare-and-set from an end."""
        await worker.begun(place.task(), GREETER)
        with pytest.raises(WrongState):
            await storage.commands.requeue("t1")
        assert await states_of(storage) == {"greeter": "running"}

    async def test_requeue_clears_a_cancellation(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """The mark on the task and the flag on the run: it runs, and may end with a retry."""
        task = place.task()
        await storage.log.add([task])
        await storage.commands.cancel("t1")
        await storage.commands.requeue("t1")
        await worker.begun(task, GREETER)
        flagged = await worker.begun(place.task("t2"), GREETER)
        await storage.commands.cancel("t2")
        await worker.settle(flagged, RetryAfter(seconds=0.0))
        await storage.commands.requeue("t2")
        again = await worker.claimed(GREETER)
        await worker.settle(again, RetryAfter(seconds=0.0))
        assert await states_of(storage, "t2") == {"greeter": "retrying"}

    async def test_answer_counts_once(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """The first one; a second, and one that comes after the end, are refused."""
        await worker.settle(await worker.begun(place.task(), GREETER), Wait(question="ok?", seconds=50))
        await storage.commands.answer("t1", "greeter", "ok?", b"1")
        with pytest.raises(WrongState):
            await storage.commands.answer("t1", "greeter", "ok?", b"2")
        grant = await worker.claimed(GREETER)
        assert grant.run.answers == (("ok?", b"1"),)
        await worker.settle(grant, succeeded())
        with pytest.raises(WrongState):
            await storage.commands.answer("t1", "greeter", "other?", b"3")


class DeleteContract(StorageOpening):
    """delete()."""

    pytestmark = pytest.mark.asyncio

    async def test_delete_forgets_a_task(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """With its runs; a late delivery does not bring it back."""
        task = place.task()
        await worker.settle(await worker.begun(task, GREETER), succeeded())
        await storage.commands.delete("t1")
        assert await storage.queries.records(["t1"]) == {}
        assert list(await rival.begin(rival.start_of(task, GREETER))) == [None]
        assert await storage.queries.records(["t1"]) == {}

    async def test_delete_of_what_runs_is_refused(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Cancel it first."""
        grant = await worker.begun(place.task(), GREETER)
        with pytest.raises(WrongState):
            await storage.commands.delete("t1")
        assert await worker.settle(grant, succeeded())

    async def test_delete_of_what_is_due_leaves_nothing_to_claim(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A queued or retrying task can be deleted."""
        await worker.settle(await worker.begun(place.task(), GREETER), RetryAfter(seconds=0.0))
        await storage.commands.delete("t1")
        assert (await worker.claim(worker.limit(GREETER))).grants == ()

    async def test_delete_of_one_agents_run_keeps_the_task(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The other agents' runs stay; the deleted one's delivery is dropped, and need not be answered for."""
        task = place.task()
        await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
        await place.pass_time(0.01)
        await storage.log.add([task])
        await worker.settle(await worker.begun(task, GREETER), given_up())
        await worker.settle(await worker.begun(task, LOGGER), succeeded())
        await storage.commands.delete("t1", "greeter")
        assert await states_of(storage) == {"logger": "succeeded"}
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.SUCCEEDED
        assert list(await worker.begin(worker.start_of(task, GREETER))) == [None]
        assert await states_of(storage) == {"logger": "succeeded"}

    async def test_commands_for_dead_letters_alone(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """What was requeued since somebody saw it dead is neither lost nor run once more."""
        await worker.settle(await worker.begun(place.task(), GREETER), given_up())
        await storage.commands.requeue("t1", "greeter", only_dead=True)
        for command in (storage.commands.requeue, storage.commands.delete):
            with pytest.raises(WrongState):
                await command("t1", "greeter", only_dead=True)
        (grant,) = (await worker.claim(worker.limit(GREETER))).grants
        await worker.settle(grant, given_up())
        await storage.commands.delete("t1", "greeter", only_dead=True)
        assert await storage.queries.records(["t1"]) == {}

    async def test_delete_of_the_only_named_agents_run_names_nobody_else(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The agents of the topic's first declaration need not answer for a task that was published to others."""
        task = place.task()
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await place.pass_time(0.01)
        await storage.log.add([task])
        await worker.settle(await worker.begun(task, GREETER), given_up())
        await worker.settle(await worker.begun(task, LOGGER), succeeded())
        await storage.commands.delete("t1", "greeter")
        (record,) = (await storage.queries.records(["t1"])).values()
        assert (record.agents, record.status) == ((), Status.SUCCEEDED)


class RunCommandsContract(CancelContract, RequeueContract, DeleteContract, PruneContract):
    """All commands of a RunCommands."""
