"""What every Schedules keeps: a delayed task is given out when it is due, to one holder at a time, until dropped."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import replace
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.schedules import Taken
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import StorageOpening
from omnidaemon.testing.place import Place


def delayed(place: Place, task_id: str, seconds: float) -> Task:
    """A task that is due in so many seconds."""
    return place.task(task_id, due_at=place.now() + timedelta(seconds=seconds))


def ids(taken: Taken) -> list[str]:
    """The ids of the tasks taken."""
    return [task.task_id for task in taken.tasks]


class SchedulesContract(StorageOpening):
    """put(), take(), drop()."""

    pytestmark = pytest.mark.asyncio

    async def test_schedule_gives_a_task_when_it_is_due(self, place: Place, storage: Storage) -> None:
        """Not before; whole; and it is scheduled until then."""
        task = delayed(place, "t1", 1.0)
        await storage.schedules.put([task])
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.SCHEDULED
        early = await storage.schedules.take(10, hold_seconds=30)
        assert early.tasks == ()
        assert early.next_due_seconds is not None
        assert 0.0 < early.next_due_seconds <= 1.0
        await place.pass_time(1.1)
        assert (await storage.schedules.take(10, hold_seconds=30)).tasks == (task,)

    async def test_schedule_gives_the_longest_due_first(self, place: Place, storage: Storage) -> None:
        """Up to the limit."""
        await storage.schedules.put([delayed(place, f"t{tenths}", tenths / 10) for tenths in (3, 1, 2)])
        await place.pass_time(0.5)
        assert ids(await storage.schedules.take(2, hold_seconds=30)) == ["t1", "t2"]
        assert ids(await storage.schedules.take(2, hold_seconds=30)) == ["t3"]

    async def test_schedule_holds_for_one_taker(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Nobody else gets a task that is held, until the hold is over: then its holder is taken for dead."""
        await storage.schedules.put([delayed(place, "t1", 0.0)])
        assert ids(await storage.schedules.take(10, hold_seconds=1.0)) == ["t1"]
        held = await peer.schedules.take(10, hold_seconds=1.0)
        assert held.tasks == ()
        assert held.next_due_seconds is not None
        assert held.next_due_seconds <= 1.0
        await place.pass_time(1.1)
        assert ids(await peer.schedules.take(10, hold_seconds=1.0)) == ["t1"]

    async def test_schedule_tells_when_a_task_is_published(self, place: Place, storage: Storage) -> None:
        """When it is due; while somebody holds it, no later than it is given to the next; and never once it is
        dropped."""

        async def told() -> datetime | None:
            record = (await storage.queries.records(["t1"]))["t1"]
            (standing,) = (await storage.queries.find(TaskFilter())).standings
            assert standing.scheduled_for == record.scheduled_for
            return record.scheduled_for

        task = delayed(place, "t1", 0.2)
        await storage.schedules.put([task])
        assert await told() == task.due_at
        await place.pass_time(0.3)
        assert ids(await storage.schedules.take(10, hold_seconds=30)) == ["t1"]
        held = await told()
        assert held is not None
        assert task.due_at is not None
        assert task.due_at <= held <= place.now() + timedelta(seconds=30)
        await storage.schedules.drop(["t1"])
        assert await told() is None

    async def test_schedule_forgets_what_was_dropped(self, place: Place, storage: Storage) -> None:
        """A dropped task never comes again; dropping twice or what is unknown does no harm; the log keeps it."""
        await storage.schedules.put([delayed(place, "t1", 0.0)])
        await storage.schedules.take(10, hold_seconds=0.1)
        await storage.schedules.drop(["t1", "unknown"])
        await storage.schedules.drop(["t1"])
        await place.pass_time(0.2)
        assert await storage.schedules.take(10, hold_seconds=0.1) == Taken()
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.QUEUED

    async def test_schedule_keeps_a_known_task(self, place: Place, storage: Storage) -> None:
        """The same id put again neither moves nor doubles it, nor frees it from who holds it."""
        await storage.schedules.put([delayed(place, "t1", 0.0)])
        await storage.schedules.put([delayed(place, "t1", 50.0)])
        assert ids(await storage.schedules.take(10, hold_seconds=30)) == ["t1"]
        await storage.schedules.put([delayed(place, "t1", 0.0)])
        assert (await storage.schedules.take(10, hold_seconds=30)).tasks == ()

    async def test_schedule_takes_a_task_that_is_logged(self, place: Place, storage: Storage) -> None:
        """One whose idempotency key was reserved first is logged already, and kept all the same."""
        task = replace(delayed(place, "t1", 0.0), idempotency_key="k")
        await storage.log.reserve([task])
        await storage.schedules.put([task])
        assert (await storage.schedules.take(10, hold_seconds=30)).tasks == (task,)

    async def test_schedule_does_not_give_what_was_cancelled(self, place: Place, storage: Storage) -> None:
        """A cancelled task leaves the schedules; so does a deleted one."""
        await storage.schedules.put([delayed(place, "t1", 0.1), delayed(place, "t2", 0.1)])
        await storage.commands.cancel("t1")
        await storage.commands.delete("t2")
        await place.pass_time(0.2)
        assert await storage.schedules.take(10, hold_seconds=30) == Taken()
        assert (await storage.queries.records(["t1"]))["t1"].status is Status.CANCELLED

    async def test_schedule_is_told_in_the_journal(self, place: Place, storage: Storage) -> None:
        """Putting a task is news, once."""
        await storage.schedules.put([delayed(place, "t1", 1.0)])
        await storage.schedules.put([delayed(place, "t1", 1.0)])
        assert [event.kind for event in await storage.journal.read(task_id="t1")] == ["scheduled"]
