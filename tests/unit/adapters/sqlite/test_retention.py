"""What a sweep of retention costs: what has to stay is not read again and again, and nothing that may go is missed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import retention as retention_module
from omnidaemon.adapters.sqlite import sqlite_storage
from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.requests import EndRun
from omnidaemon.domain.states import RunState
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.worker import ScriptedWorker

SECOND = timedelta(seconds=1)
MANY = 300
STEP = 20


class CountingCodec(JsonCodec):
    """Counts the tasks that are read."""

    def __init__(self):
        super().__init__()
        self.decoded = 0

    def decode_task(self, raw, *, task_id, topic):
        self.decoded += 1
        return super().decode_task(raw, task_id=task_id, topic=topic)

    def since(self):
        """How many since the last time."""
        count, self.decoded = self.decoded, 0
        return count


@pytest.fixture
def codec():
    return CountingCodec()


@pytest.fixture
async def storage(place, monkeypatch):
    for name in ("_ENDED_RUNS", "_DEAD_RUNS", "_CANCELLED_TASKS"):
        monkeypatch.setattr(
            retention_module, name, getattr(retention_module, name).replace("LIMIT 500", f"LIMIT {STEP}")
        )
    monkeypatch.setattr(retention_module, "_LOOKED_AT_ONCE", STEP)
    async with sqlite_storage(place.context()) as storage:
        yield storage


async def ended_by_one_of_two(place, storage, state=RunState.SKIPPED):
    """Many tasks that the greeter has ended, and the logger has still to begin."""
    await storage.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
    await place.pass_time(0.01)
    tasks = [place.task(f"t{number:03}") for number in range(MANY)]
    await storage.log.add(tasks)
    error = AttemptError(type="ValueError", message="boom") if state is RunState.DEAD else None
    worker = ScriptedWorker(storage.runs)
    await worker.begin(*(EndRun(task=task, subscription=GREETER, state=state, error=error) for task in tasks))
    await place.pass_time(2)
    return worker, tasks


async def pruned(storage, keep_dead=None, limit=1000):
    return await storage.commands.prune(SECOND, keep_dead, limit)


async def test_what_has_to_stay_is_read_once(place, storage, codec):
    """The first sweep passes it; the later ones look at a step of it each."""
    await ended_by_one_of_two(place, storage)
    codec.since()
    assert await pruned(storage) == 0
    assert MANY <= codec.since() <= MANY + STEP
    for _ in range(3):
        assert await pruned(storage) == 0
        assert codec.since() <= STEP


@pytest.mark.parametrize("keep_dead", [None, timedelta(days=9)])
async def test_dead_letters_that_are_kept_cost_nothing(place, storage, codec, keep_dead):
    """Neither those that are kept for ever nor those whose time has not come."""
    await ended_by_one_of_two(place, storage, RunState.DEAD)
    codec.since()
    assert await pruned(storage, keep_dead) == 0
    assert codec.since() == 0


async def test_a_task_is_met_again_when_the_rest_of_it_expires(place, storage, codec):
    """In the very next sweep, however much was passed before."""
    worker, tasks = await ended_by_one_of_two(place, storage)
    await pruned(storage)
    await worker.begin(*(EndRun(task=task, subscription=LOGGER, state=RunState.SKIPPED) for task in tasks[-7:]))
    await place.pass_time(2)
    codec.since()
    assert await pruned(storage) == 7
    assert codec.since() <= 2 * 7 + 2 * STEP


async def test_a_limit_leaves_the_rest_for_the_next_sweep(place, storage):
    """Nothing of it is passed over."""
    worker, tasks = await ended_by_one_of_two(place, storage)
    await worker.begin(*(EndRun(task=task, subscription=LOGGER, state=RunState.SKIPPED) for task in tasks))
    await place.pass_time(2)
    removed = [await pruned(storage, limit=7) for _ in range(MANY // 7 + 2)]
    assert (sum(removed), max(removed), removed[-1]) == (MANY, 7, 0)


async def test_the_patrol_finds_what_became_free_without_an_end(place, storage):
    """The agent that they waited for was removed: after a round of the patrol all are gone."""
    await ended_by_one_of_two(place, storage)
    assert await pruned(storage) == 0
    await storage.registry.remove(LOGGER)
    removed = [await pruned(storage) for _ in range(2 * MANY // STEP + 2)]
    assert sum(removed) == MANY


async def test_a_journal_in_which_nothing_is_old_is_not_read(place, storage):
    """One entry tells that there is none."""
    await storage.log.add([place.task(f"t{number}") for number in range(100)])
    read = []

    def note(_cursor, row):
        read.append(row)
        return row

    def look(ledger):
        ledger.cursor.row_trace = note
        return retention_module._sweep(ledger, retention_module.Limits(place.now() - SECOND, place.now() - SECOND))

    assert await storage._space.write(look) is False
    assert len(read) == 1
