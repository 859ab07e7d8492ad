"""A listing believes that tasks are as those before them were, and finds what is otherwise."""

from __future__ import annotations

import contextlib

import pytest
import redis

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.standings import read_standings
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.errors import BackendError
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import EndRun, undecodable
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.contracts.schedules import delayed
from omnidaemon.testing.worker import ScriptedWorker, succeeded


@pytest.fixture
async def other(place):
    """Another program's."""
    async with redis_storage(place.context("other")) as storage:
        yield storage


async def agree(storage):
    """The standings of a page, which are what the records say."""
    standings = (await storage.queries.find(TaskFilter(), None, 1000)).standings
    records = await storage.queries.records([each.task_id for each in standings])
    for each in standings:
        record = records[each.task_id]
        assert (each.topic, each.created_at, each.agents) == (record.topic, record.created_at, record.agents)
        assert (each.is_cancelled, each.scheduled_for) == (record.is_cancelled, record.scheduled_for)
        assert [(run.subscription, run.state, run.result) for run in each.runs] == [
            (run.subscription, run.state, run.result) for run in record.runs
        ]
    return standings


async def listed_before(place, storage, count=3):
    """Tasks of the greeter, listed."""
    worker = ScriptedWorker(storage.runs, "w1")
    published = [place.task(f"greeted{number}") for number in range(count)]
    await storage.log.add(published)
    for task in published:
        await worker.settle(await worker.begun(task, GREETER), succeeded())
    await agree(storage)
    assert storage._space.shape.agents == (GREETER.agent,)
    return worker


async def test_runs_of_other_agents_are_found(place, storage):
    """Of an agent beside the usual one, of one instead of it, and of as many as nobody asks for in advance."""
    worker = await listed_before(place, storage)
    await worker.begun(place.task("greeted0"), LOGGER)
    await worker.begun(place.task("logged"), LOGGER)
    assert [len(each.runs) for each in await agree(storage)] == [1, 1, 1, 2]
    assert storage._space.shape.agents == (GREETER.agent, LOGGER.agent)
    for number in range(20):
        await worker.begun(place.task("crowded"), Subscription("crowded", f"agent{number}"))
    assert [len(each.runs) for each in await agree(storage)] == [20, 1, 1, 1, 2]
    assert storage._space.shape.agents is None
    assert [len(each.runs) for each in await agree(storage)] == [20, 1, 1, 1, 2]


async def test_agents_that_others_register_and_remove_are_heard_of(place, storage, other):
    await listed_before(place, storage)
    await other.registry.register([AgentProfile(subscription=GREETER), AgentProfile(subscription=LOGGER)])
    await place.pass_time(0.01)
    await other.log.add([place.task("both")])
    assert (await agree(storage))[0].agents == (GREETER.agent, LOGGER.agent)
    await other.registry.remove(LOGGER)
    assert (await agree(storage))[0].agents == (GREETER.agent,)


async def test_what_is_scheduled_is_seen_from_the_first_on(place, storage, other):
    """Among others, and after the last of it is gone."""
    await listed_before(place, storage)
    for number in range(2):
        await other.schedules.put([delayed(place, f"later{number}", 50)])
        assert [each.is_scheduled for each in await agree(storage)] == [True] * (number + 1) + [False] * 3
    for number in range(2):
        await other.commands.cancel(f"later{number}")
    assert not any(each.is_scheduled for each in await agree(storage))
    assert not storage._space.shape.has_schedules


async def test_tasks_that_are_gone_are_left_out(place, storage, other):
    """Also those that go between the index and the reading."""
    await listed_before(place, storage, 4)
    await other.commands.delete("greeted2")
    standings = await read_standings(storage._space, [f"greeted{number}" for number in range(4)])
    assert [each.task_id for each in standings] == ["greeted0", "greeted1", "greeted3"]


async def test_a_page_that_is_read_in_steps_is_in_order(place, storage):
    """Whichever of its tasks are read by the careful way."""
    worker = await listed_before(place, storage)
    published = [place.task(f"t{number}") for number in range(600)]
    await storage.log.add(published)
    await worker.begin(*(worker.start_of(task, (GREETER, LOGGER)[n % 50 == 0]) for n, task in enumerate(published)))
    standings = await agree(storage)
    assert [each.task_id for each in standings[:600]] == [f"t{number}" for number in reversed(range(600))]
    assert [n for n, each in enumerate(reversed(standings[:600])) if each.runs[0].subscription == LOGGER] == [
        *range(0, 600, 50)
    ]


async def test_a_usual_page_is_read_by_plain_commands(place, private_redis, storage):
    """The server's own cost of a listing, counted: two commands for a task, and one script."""
    await listed_before(place, storage, 10)
    with redis.Redis.from_url(private_redis.url) as client:
        client.config_resetstat()
        await storage.queries.find(TaskFilter())
        calls = {name: told["calls"] for name, told in client.info("commandstats").items()}
    assert calls["cmdstat_hmget"] == calls["cmdstat_hlen"] == 10
    assert calls["cmdstat_evalsha"] == calls["cmdstat_exec"] == 1


_TAIL = "\r\n" + "$1\r\na\r\n" * 6 + "*3\r\n$3\r\nSET\r\n$5\r\nowned\r\n$1\r\n1\r\n*1\r\n$4\r\nEXEC\r\n"
"""Where an id was taken for as many bytes as it has characters, commands of a server's."""


@pytest.mark.parametrize(
    "name",
    ["für".encode(), b"bad\xff", b"plain id", ("é" * len(_TAIL) + _TAIL).encode()],
    ids=["ü", "ff", "space", "long"],
)
async def test_whatever_others_call_a_task_it_is_listed(place, storage, private_redis, name):
    """What came with an id of its own, and no task that can be read, is a dead letter; each time that one looks."""
    await listed_before(place, storage)
    worker = ScriptedWorker(storage.runs, "w2")
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as server:
        async with redis_stream_bus(place.context()) as bus:
            await bus.declare({GREETER: Start.BACKLOG})
            (queue,) = [key for key in server.scan_iter() if b":queue:" in key]
            server.xadd(queue, {"id": name, "task": b"nonsense"})
            inbox = await bus.subscribe([GREETER])
            (delivery,) = await inbox.receive({GREETER: 5}, 1.0)
            unreadable = delivery.task
            assert isinstance(unreadable, Unreadable)
            await worker.begin(
                EndRun(task=unreadable, subscription=GREETER, state=RunState.DEAD, error=undecodable(unreadable))
            )
            await inbox.close()
        for _ in range(2):
            page = await storage.queries.find(TaskFilter())
            assert str(name, "utf-8", "replace") in {standing.task_id for standing in page.standings}
        assert server.get("owned") is None


async def test_what_the_server_refuses_of_one_task_is_an_error_of_the_backend(place, storage, private_redis):
    """Such as a key that is something else."""
    await listed_before(place, storage)
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as server:
        (key,) = [key for key in server.scan_iter() if key.endswith(b"t:greeted0")]
        server.delete(key)
        server.set(key, "something else")
    with pytest.raises(BackendError, match="WRONGTYPE"):
        await storage.queries.find(TaskFilter())
