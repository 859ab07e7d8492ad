"""The journal's entries: what is alike is kept once, and each task's events are found all the same."""

from __future__ import annotations

import pytest

from omnidaemon.domain.policy import RetryAfter
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded


@pytest.fixture
def worker(storage):
    return ScriptedWorker(storage.runs)


async def played(storage, place, worker, names):
    """Published, begun and finished together."""
    tasks = [place.task(name) for name in names]
    await storage.log.add(tasks)
    grants = await worker.begin(*(worker.start_of(task, GREETER) for task in tasks))
    await worker.finish(*(outcome(grant, succeeded()) for grant in grants))


async def counted(storage, table):
    rows = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name from this file
    return await storage._space.read(lambda reading: reading.value(rows))


def kinds(events):
    return [event.kind.value for event in events]


async def test_a_batch_makes_an_entry_for_each_hundred_of_its_events(place, storage, worker):
    """Nothing is kept apart, since tasks and runs say where their events are."""
    names = [f"t{number}" for number in range(120)]
    await played(storage, place, worker, names)
    assert await counted(storage, "journal_entries") == 3 * 2
    assert await counted(storage, "journal_places") == 0
    for name in ("t0", "t99", "t100", "t119"):
        assert kinds(await storage.journal.read(task_id=name)) == ["published", "started", "succeeded"]


async def test_reading_goes_on_in_the_midst_of_an_entry(place, storage, worker):
    """From every position, and to every limit; of one task too."""
    await played(storage, place, worker, [f"t{number}" for number in range(120)])
    every = list(await storage.journal.read())
    assert [event.position for event in every] == list(range(1, 361))
    for after, limit in ((0, 1), (57, 10), (99, 2), (119, 121), (359, 5), (360, 5)):
        assert list(await storage.journal.read(after, limit=limit)) == every[after : after + limit]
    third = [event for event in every if event.task_id == "t3"]
    for after in (0, third[0].position - 1, third[0].position, third[1].position):
        left = [event for event in third if event.position > after]
        assert list(await storage.journal.read(after, "t3", 2)) == left[:2]


async def test_a_run_with_many_events_does_not_carry_them_all(place, storage, worker):
    """They are read all the same."""
    await storage.log.add([place.task("t1")])
    grant = await worker.begun(place.task("t1"), GREETER)
    for _ in range(40):
        await worker.settle(grant, RetryAfter(seconds=0.0))
        grant = await worker.claimed(GREETER)
    longest = await storage._space.read(lambda reading: reading.value("SELECT max(length(entries)) FROM runs"))
    assert longest < 100
    events = await storage.journal.read(task_id="t1")
    assert kinds(events) == ["published", "started", *("retried", "started") * 40]


async def test_what_is_deleted_keeps_its_journal_until_that_is_trimmed(place, storage, worker):
    """Where its events are is kept apart from then on."""
    await played(storage, place, worker, ["t1", "t2"])
    before = list(await storage.journal.read(task_id="t1"))
    await storage.commands.delete("t1")
    after = await storage.journal.read(task_id="t1")
    assert list(after[:3]) == before
    assert kinds(after) == ["published", "started", "succeeded", "deleted"]
    assert kinds(await storage.journal.read(task_id="t2")) == ["published", "started", "succeeded"]


async def test_a_task_that_is_begun_before_it_is_logged_is_told_of_in_that_order(place, storage, worker):
    """Its publisher comes second."""
    task = place.task("t1")
    await worker.begun(task, GREETER)
    await storage.log.add([task])
    assert kinds(await storage.journal.read(task_id="t1")) == ["started", "published"]
