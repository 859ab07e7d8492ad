"""The journal: one entry for what happened to many alike, and nothing left of it once it has gone."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
import redis

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker, given_up, outcome, succeeded

NAMES = [f"t{number}" for number in range(10)]
NO_TIME = timedelta(0)


@pytest.fixture
def worker(storage):
    return ScriptedWorker(storage.runs, "w1")


@pytest.fixture
def server(private_redis):
    with contextlib.closing(redis.Redis.from_url(private_redis.url, decode_responses=True)) as client:
        yield client


async def run_all(place, storage, worker):
    """Ten tasks, published, begun and finished, each in one batch."""
    await storage.registry.register([AgentProfile(subscription=GREETER)])
    await place.pass_time(0.01)
    tasks = [place.task(name) for name in NAMES]
    await storage.log.add(tasks)
    grants = await worker.begin(*(worker.start_of(task, GREETER) for task in tasks))
    await worker.finish(*(outcome(grant, succeeded()) for grant in grants))


def lists(server):
    return [key for key in server.scan_iter("*journal:*") if not key.endswith("journal:latest")]


async def test_a_batch_is_an_entry_whose_events_are_read_one_by_one(place, storage, worker, server):
    """Each with a position of its own: a reader may go on from the midst of an entry, and take a part of it."""
    await run_all(place, storage, worker)
    (stream,) = server.scan_iter("*:journal", _type="stream")
    assert server.xlen(stream) == 3
    events = await storage.journal.read()
    assert [(event.position, event.task_id) for event in events] == list(enumerate(NAMES * 3, 1))
    assert [event.kind for event in events] == ["published"] * 10 + ["started"] * 10 + ["succeeded"] * 10
    for after in range(31):
        for limit in (1, 3, 10, 25):
            assert await storage.journal.read(after, limit=limit) == events[after : after + limit]
    assert await storage.journal.read(task_id="t3") == [events[3], events[13], events[23]]
    assert await storage.journal.read(after=4, task_id="t3", limit=1) == [events[13]]
    assert not lists(server), "they are kept with the tasks"


async def test_events_outlive_their_task_and_come_before_those_of_its_next_life(place, storage, worker):
    await run_all(place, storage, worker)
    await storage.commands.delete("t3")
    await storage.log.add([place.task("t3")])
    events = await storage.journal.read(task_id="t3")
    assert [event.kind for event in events] == ["published", "started", "succeeded", "deleted", "published"]
    assert [event.position for event in events] == sorted(event.position for event in events)


async def test_nothing_is_left_once_all_has_gone(place, storage, worker, server):
    """Of tasks that were deleted, of those that have expired, and of one that was trimmed while it lived."""
    await run_all(place, storage, worker)
    lasting = place.task("lasting")
    await storage.log.add([lasting])
    await storage.commands.delete("t3")
    await asyncio.sleep(0.01)
    assert await storage.commands.prune(NO_TIME, NO_TIME, 100) == 9
    assert (await storage.journal.read(), await storage.journal.read(task_id="lasting")) == ([], [])
    await worker.settle(await worker.begun(lasting, GREETER), succeeded())
    assert [event.kind for event in await storage.journal.read(task_id="lasting")] == ["started", "succeeded"]
    await storage.commands.delete("lasting")
    await asyncio.sleep(0.01)
    await storage.commands.prune(NO_TIME, NO_TIME, 100)
    assert (await storage.journal.read(), lists(server)) == ([], [])


async def test_a_task_with_many_events_is_not_written_anew_with_all_of_them(place, storage, worker, server):
    """The older ones are in a list; they are read in order, and gone with the others."""
    await storage.registry.register([AgentProfile(subscription=GREETER)])
    task = place.task("restless")
    await storage.log.add([task])
    await worker.settle(await worker.begun(task, GREETER), given_up())
    for _ in range(200):
        await storage.commands.requeue("restless")
        await worker.settle(await worker.claimed(GREETER), given_up())
    (key,) = server.scan_iter("*:t:restless")
    assert len(server.hget(key, "j")) < 1000
    events = await storage.journal.read(task_id="restless")
    assert events == await storage.journal.read(limit=5000)
    assert len(events) > 600
    await asyncio.sleep(0.01)
    assert await storage.commands.prune(NO_TIME, NO_TIME, 100) == 1
    assert (await storage.journal.read(), lists(server)) == ([], [])
