"""What it costs to publish to a bus and a log on the same server, and to wait for a result: counted, never timed."""

from __future__ import annotations

import asyncio

import attrs
import pytest
import redis

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import RedisResultStore, redis_storage
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.system import SystemClock, Uuid7Ids
from omnidaemon.app.drafts import Draft
from omnidaemon.app.pairing import logging_bus
from omnidaemon.app.publisher import Publisher
from omnidaemon.app.queries import Queries
from omnidaemon.app.waiting import ResultWatch
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import Confirmation
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import TOPIC
from omnidaemon.testing.worker import ScriptedWorker, succeeded
from tests.servers.call_count import CallCount
from tests.unit.app.faults import Sayings


@pytest.fixture
async def bus(place):
    async with redis_stream_bus(place.context()) as bus:
        yield bus


@pytest.fixture
async def publisher(storage, bus):
    """It has published once, so that the server knows the scripts, and this process who subscribed."""
    await storage.registry.register([AgentProfile(subscription=GREETER)])
    await bus.declare({GREETER: Start.NOW})
    publisher = Publisher(
        bus=bus,
        storage=storage,
        clock=SystemClock(),
        ids=Uuid7Ids(),
        codec=JsonCodec(),
        telemetry=Sayings(),
        payload_max_bytes=10_000,
    )
    await publisher.publish([draft(0)])
    await publisher.publish([draft(0, idempotency_key="first")])
    return publisher


def draft(number, **more):
    return Draft(topic=TOPIC, payload={"number": number}, **more)


class Scripts:
    """How many scripts the server was asked to run."""

    def __init__(self, connection):
        self._connection = connection
        self._before = 0

    async def since(self):
        """Since the last time."""
        rows = await self._connection._opened().info("commandstats")
        count = sum(rows.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))
        before, self._before = self._before, count
        return count - before


@pytest.fixture
async def scripts(storage, publisher):
    scripts = Scripts(storage._space.connection)
    await scripts.since()
    return scripts


async def test_a_publication_costs_one_round_trip(publisher, scripts):
    """It is logged and on the bus, by one script."""
    await publisher.publish([draft(1)])
    assert await scripts.since() == 1


async def test_a_hundred_at_once_cost_four(publisher, scripts):
    """The first goes at once, and thirty-three that wait for it each time: the server need not wait for the last."""
    await asyncio.gather(*(publisher.publish_plain(TOPIC, number) for number in range(100)))
    assert await scripts.since() == 4


async def test_many_cost_one_for_each_two_hundred_and_fifty(publisher, scripts):
    """More in one would keep the server from everybody else for longer."""
    await publisher.publish_alike([(TOPIC, number) for number in range(2000)])
    assert await scripts.since() == 8


async def test_a_key_costs_one_more(publisher, scripts):
    """It is reserved, then published; that it was is noted by a command. Known already, it costs the first alone."""
    await publisher.publish([draft(1, idempotency_key="k")])
    assert await scripts.since() == 2
    await publisher.publish([draft(1, idempotency_key="k")])
    assert await scripts.since() == 1


@pytest.mark.parametrize(
    ("how", "bound"),
    [
        ("one by one", 56),
        ("gathered", 29),
        ("many", 15),
    ],
)
async def test_a_publication_costs_few_calls_of_python(publisher, how, bound):
    """Above a bound, the message says which module calls most."""
    tasks = [(TOPIC, {"number": number}) for number in range(1000)]
    with CallCount(1000) as calls:
        if how == "one by one":
            for each in tasks:
                await publisher.publish_plain(*each)
        elif how == "gathered":
            for at in range(0, 1000, 100):
                await asyncio.gather(*(publisher.publish_plain(*each) for each in tasks[at : at + 100]))
        else:
            await publisher.publish_alike(tasks)
    spent = calls.per_task()
    assert spent <= bound, f"{spent:.1f} calls for each task published {how}, at most {bound}:\n{calls.table()}"
    assert spent > bound / 2, f"lower the bound {bound}: {spent:.1f} calls:\n{calls.table()}"


async def test_who_waits_asks_once(place, storage, monkeypatch):
    """When the wait begins; how it ends is told. What is too large to be told takes one more."""
    space, asked = storage._space, []
    run = space.script

    async def counted(name, *args):
        asked.append(name)
        return await run(name, *args)

    async def is_asked():
        return bool(asked)

    async def is_heard():
        return (await space.connection.command("PUBSUB", "NUMSUB", space.keys.endings))[1]

    queries = Queries(bus=redis_stream_bus(place.context()), storage=storage, codec=JsonCodec())
    results = ResultWatch(runs=storage.runs, run_queries=storage.queries, queries=queries)
    async with redis_storage(place.context()) as elsewhere:
        worker = ScriptedWorker(elsewhere.runs, "w1")
        grants = [await worker.begun(place.task(name), GREETER) for name in ("first", "small", "large")]
        monkeypatch.setattr(space, "script", counted)
        costs = []
        for grant, result in zip(grants, (b"0", b'"x"', b'"' + 5000 * b"x" + b'"'), strict=True):
            asked.clear()
            waiting = asyncio.create_task(results.wait(grant.run.task_id, 10, None))
            await eventually(is_asked)
            await eventually(is_heard)
            await worker.settle(grant, succeeded(result))
            assert (await waiting).status == "succeeded"
            costs.append([*asked])
        await results.close()
    # While the first one waits, the channel comes to be heard: until then something may have been missed.
    assert costs[1:] == [["records"], ["records", "records"]]


async def test_who_waits_for_what_was_published_just_now_asks_nothing(place, storage, monkeypatch):
    """It is told all that the result says. Whoever waits first of all looks, since nobody listened yet."""
    await storage.registry.register([AgentProfile(subscription=GREETER)])
    await storage.registry.declared([GREETER])
    asked, run = [], storage._space.script

    async def counted(name, *args):
        asked.append(name)
        return await run(name, *args)

    queries = Queries(bus=redis_stream_bus(place.context()), storage=storage, codec=JsonCodec())
    results = ResultWatch(runs=storage.runs, run_queries=storage.queries, queries=queries)
    monkeypatch.setattr("omnidaemon.app.waiting._HEADSTART_SECONDS", 5.0)
    async with redis_storage(place.context()) as elsewhere:
        worker = ScriptedWorker(elsewhere.runs, "w1")
        for name in ("first", "second", "third"):
            task = place.task(name)
            await storage.log.add([task])
            grant = await worker.begun(task, GREETER)
            results.published(name)
            monkeypatch.setattr(storage._space, "script", counted)
            waiting = asyncio.create_task(results.wait(name, 10, None))
            await asyncio.sleep(0.05)
            asked.clear()
            await worker.settle(grant, succeeded(b'"x"'))
            told = await waiting
            monkeypatch.setattr(storage._space, "script", run)
            assert told == await queries.result(name)
            assert (told.result, asked if name != "first" else []) == ("x", [])
    await results.close()


async def test_only_what_shares_a_server_and_a_namespace_is_written_together(place, place_of, private_redis, bus):
    """Another namespace, another database or other rights there: two calls, as between any bus and store."""
    context = place.context()
    elsewhere = attrs.evolve(context, namespace="elsewhere")
    other_url = private_redis.url.rsplit("/", 1)[0] + "/1"
    together = redis_storage(context).capabilities
    apart = [
        redis_storage(elsewhere).capabilities,
        redis_storage(place_of(other_url).context()).capabilities,
        RedisResultStore(private_redis.url.replace("redis://", "redis://someone:secret@"))(context).capabilities,
    ]
    assert [logging_bus(bus, each) is not None for each in (together, *apart)] == [True, False, False, False]


@pytest.mark.parametrize("pauses", range(8))
async def test_a_publication_that_is_cancelled_takes_no_other_along(place, bus, publisher, pauses):
    """At whatever moment, the one that is under way too: what was handed over is sent, and the line stays whole."""
    calls = [asyncio.create_task(bus.publish_logged([place.task(f"t{number}")])) for number in range(6)]
    for _ in range(pauses):
        await asyncio.sleep(0)
    for cancelled in (0, 3):
        calls[cancelled].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for number in (1, 2, 4, 5):
        answer = answers[number]
        assert not isinstance(answer, BaseException)
        assert [(receipt.task_id, receipt.receivers) for receipt in answer] == [(f"t{number}", 1)]
    (receipt,) = await bus.publish_logged([place.task("last")])
    assert (receipt.task_id, receipt.confirmation) == ("last", Confirmation.CONFIRMED)


@pytest.mark.parametrize("how", ["publish", "publish_logged"])
async def test_a_bus_that_is_closed_publishes_nothing_more(place, storage, how):
    """What was under way is sent; what comes later has failed, and leaves no connection behind."""
    connection = storage._space.connection
    before = await connection.command("CLIENT", "LIST")
    bus = redis_stream_bus(place.context())
    async with bus:
        publish = getattr(bus, how)
        await publish([place.task("t1")])
        under_way = [asyncio.create_task(publish([place.task(f"t{number}")])) for number in (2, 3)]
        await asyncio.sleep(0)
    told = [receipt.confirmation for receipts in await asyncio.gather(*under_way) for receipt in receipts]
    assert told == [Confirmation.CONFIRMED] * 2
    (receipt,) = await publish([place.task("t4")])
    assert receipt.confirmation is Confirmation.FAILED
    after = await connection.command("CLIENT", "LIST")
    assert len(after.splitlines()) == len(before.splitlines())


# --- many, in parts that follow one another ---------------------------------------------------------------------------


MANY = 1300
"""Six parts."""


def many(place, first=0):
    return [place.task(f"t{number:05}") for number in range(first, first + MANY)]


async def on_the_bus(bus, subscription=GREETER):
    """The ids of what waits for an agent, in order."""
    entries = await bus._server.command(
        "XRANGE", f"{bus._root}:queue:{subscription.topic}:{subscription.agent}", "-", "+"
    )
    return [fields[b"id"].decode() if isinstance(fields, dict) else fields[1].decode() for _, fields in entries]


async def test_a_part_is_sent_before_the_one_before_is_answered(place, bus, publisher, monkeypatch):
    """So the server has the next one at hand; never more than two are under way."""
    await bus.publish_logged([place.task("first")])
    pipe = bus._publishing_logged._pipeline.pipe
    assert pipe is not None
    send, under_way = pipe.send, []

    def counted(words):
        reply = send(words)
        under_way.append(len(pipe._waiting))
        return reply

    monkeypatch.setattr(pipe, "send", counted)
    await bus.publish_logged(many(place))
    assert under_way == [1, 2, 2, 2, 2, 2]


async def test_agents_that_have_come_change_no_order(place, bus, storage, publisher):
    """The parts that were under way are refused, and go anew before any other."""
    await storage.registry.register([AgentProfile(subscription=Subscription(TOPIC, "late"))])
    tasks = many(place)
    receipts = await bus.publish_logged(tasks)
    names = [task.task_id for task in tasks]
    assert [(receipt.task_id, receipt.confirmation) for receipt in receipts] == [
        (name, Confirmation.CONFIRMED) for name in names
    ]
    assert (await on_the_bus(bus))[-MANY:] == names
    records = await storage.queries.records([names[0], names[-1]])
    assert [record.agents for record in records.values()] == [("greeter", "late")] * 2


async def test_agents_that_somebody_else_has_heard_of_change_no_order(
    place, bus, publisher, private_redis, monkeypatch
):
    """No part that names them goes behind one that does not, and will be refused."""
    await bus.publish_logged([place.task("first")])
    pipe, roster = bus._publishing_logged._pipeline.pipe, bus._publishing_logged._script._roster
    queue, before = f"{bus._root}:queue:{TOPIC}:{GREETER.agent}", len(await on_the_bus(bus))
    send, calls = pipe.send, []

    def meddled(words):
        calls.append(words)
        if len(calls) == 2:
            # Between the first part and the second the registry changes, and another caller hears of it.
            with redis.Redis.from_url(private_redis.url) as client:
                while client.xlen(queue) < before + 250:
                    pass
                roster._revision = str(client.incr(Keys(place.namespace).of("agents:revision")))
        return send(words)

    monkeypatch.setattr(pipe, "send", meddled)
    tasks = many(place)
    await bus.publish_logged(tasks)
    assert len(calls) == 7
    assert (await on_the_bus(bus))[-MANY:] == [task.task_id for task in tasks]


async def test_a_server_that_has_forgotten_the_script_learns_it_anew(place, bus, publisher):
    """For one task, and for many, whose order stays."""
    await bus.publish_logged([place.task("before")])
    await bus._server.command("SCRIPT", "FLUSH")
    await bus.publish_logged([place.task("one")])
    await bus._server.command("SCRIPT", "FLUSH")
    tasks = many(place)
    await bus.publish_logged(tasks)
    expected = ["before", "one", *[task.task_id for task in tasks]]
    assert (await on_the_bus(bus))[-len(expected) :] == expected


@pytest.mark.parametrize("after", [1, 3])
async def test_many_of_which_the_line_is_cut_are_in_both_or_in_neither(place, bus, storage, publisher, after):
    """What was under way is in doubt, the rest goes over another line; no task is in one place alone."""
    pipe = await bus._publishing_logged._pipeline.connected()
    tasks = many(place)
    take, taken = pipe._take, []

    def cut(reply):
        taken.append(reply)
        if len(taken) == after:
            pipe._transport.abort()
        take(reply)

    pipe._take = cut
    receipts = await bus.publish_logged(tasks)
    told = [receipt.confirmation for receipt in receipts]
    assert [receipt.task_id for receipt in receipts] == [task.task_id for task in tasks]
    assert set(told) == {Confirmation.CONFIRMED, Confirmation.UNKNOWN}
    assert 250 <= told.count(Confirmation.UNKNOWN) <= 500
    queued, logged = set(await on_the_bus(bus)), await storage.queries.records([task.task_id for task in tasks])
    assert {task.task_id for task in tasks} & queued == set(logged)
    assert {receipt.task_id for receipt in receipts if receipt.confirmation is Confirmation.CONFIRMED} <= queued


@pytest.mark.parametrize("pauses", [0, 1, 2, 4, 8, 16])
async def test_many_that_are_cancelled_leave_the_line_whole(place, bus, publisher, pauses):
    """At whatever moment: what comes next has its own receipts."""
    publishing = asyncio.create_task(bus.publish_logged(many(place)))
    for _ in range(pauses):
        await asyncio.sleep(0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    (receipt,) = await bus.publish_logged([place.task("next")])
    assert (receipt.task_id, receipt.confirmation, receipt.receivers) == ("next", Confirmation.CONFIRMED, 1)


async def test_a_part_that_the_server_refuses_has_failed(place, bus, storage, publisher):
    """It says so, nothing of it is written, and the line stays."""
    await bus.publish_logged([place.task("before")])
    await bus._server.command("CONFIG", "SET", "maxmemory", "1")
    receipts = await bus.publish_logged(many(place))
    await bus._server.command("CONFIG", "SET", "maxmemory", "0")
    assert {receipt.confirmation for receipt in receipts} == {Confirmation.FAILED}
    assert not await storage.queries.records([receipt.task_id for receipt in receipts])
    (receipt,) = await bus.publish_logged([place.task("next")])
    assert receipt.confirmation is Confirmation.CONFIRMED
