"""What the run store believes instead of reading it: it is compared, and where it is wrong nothing is written before it
has looked."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.domain.states import RunState
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded


@pytest.fixture
def looks(monkeypatch):
    """How often runs were looked up by their keys."""
    seen = []
    found = Ledger.found

    def counted(self, keys):
        keys = list(keys)
        seen.append(keys)
        return found(self, keys)

    monkeypatch.setattr(Ledger, "found", counted)
    return seen


async def begun(worker, place, *names):
    return await worker.begin(*(worker.start_of(place.task(name), GREETER) for name in names))


async def logged(storage, place, *names):
    await storage.log.add([place.task(name) for name in names])


async def state_of(storage, name):
    (run,) = (await storage.queries.records([name]))[name].runs
    return run.state


@pytest.mark.parametrize("count", [1, 9, 10, 137, 250])
async def test_a_batch_of_any_size_is_begun_and_finished_without_a_look(place, storage, looks, count):
    """Statements take a hundred rows, ten or one."""
    names = [f"t{number}" for number in range(count)]
    await logged(storage, place, *names)
    worker = ScriptedWorker(storage.runs)
    grants = await begun(worker, place, *names)
    assert all(grants)
    assert all(await worker.finish(*(outcome(g, succeeded(g.run.task_id.encode())) for g in grants)))
    assert looks == []
    records = await storage.queries.records(names)
    assert [records[name].runs[0].result for name in names] == [name.encode() for name in names]


async def test_after_a_surprise_it_looks_until_all_is_as_ever(place, storage, looks):
    """A task that begin() meets before its publisher has logged it; then again ones that are logged."""
    worker = ScriptedWorker(storage.runs)
    assert all(await begun(worker, place, "unlogged"))
    assert len(looks) == 1
    await logged(storage, place, "t1", "t2")
    assert all(await begun(worker, place, "t1"))
    assert len(looks) == 2
    assert all(await begun(worker, place, "t2"))
    assert len(looks) == 2


async def test_a_surprise_within_a_batch_leaves_the_others_as_they_are(place, storage):
    """Known, cancelled, new: each gets its own answer, though all were believed to be new."""
    await logged(storage, place, "known", "cancelled", "new")
    worker, rival = ScriptedWorker(storage.runs), ScriptedWorker(storage.runs, "w2")
    await begun(rival, place, "known")
    await storage.commands.cancel("cancelled")
    answers = await begun(worker, place, "known", "cancelled", "new")
    assert [grant is not None for grant in answers] == [False, False, True]
    assert await state_of(storage, "cancelled") is RunState.CANCELLED
    events = [event.kind.value for event in await storage.journal.read(task_id="new")]
    assert events == ["published", "started"]


async def test_a_run_that_somebody_changed_meanwhile_is_looked_up(place, storage, looks):
    """Its owner believes it to be as it was granted. What its handler returns before it hears of the flag counts."""
    await logged(storage, place, "t1", "t2")
    worker = ScriptedWorker(storage.runs)
    one, two = await begun(worker, place, "t1", "t2")
    await storage.commands.cancel("t1")
    assert list(await worker.finish(outcome(one, succeeded()), outcome(two, succeeded()))) == [True, True]
    assert len(looks) == 1
    events = [event.kind.value for event in await storage.journal.read(task_id="t1")]
    assert events == ["published", "started", "cancel_requested", "succeeded"]


async def test_a_renewal_takes_note_of_what_has_changed(place, storage, looks):
    """So the outcome needs no second look."""
    await logged(storage, place, "t1")
    worker = ScriptedWorker(storage.runs)
    (grant,) = await begun(worker, place, "t1")
    await storage.commands.cancel("t1")
    await worker.renew(grant)
    assert len(looks) == 1
    assert await worker.settle(grant, succeeded())
    assert len(looks) == 1


async def test_no_other_run_is_taken_for_one_that_is_gone(place, storage):
    """Row numbers are given once: the outcome of a run that was deleted meanwhile is nobody's."""
    await logged(storage, place, "t1", "t2")
    worker, rival = ScriptedWorker(storage.runs), ScriptedWorker(storage.runs, "w2")
    (grant,) = await begun(worker, place, "t1")
    await storage._space.write(lambda ledger: ledger.cursor.execute("DELETE FROM runs").fetchall())
    await begun(rival, place, "t2")
    assert not await worker.settle(grant, succeeded())
    assert await state_of(storage, "t2") is RunState.RUNNING
