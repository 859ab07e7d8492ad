"""The streams bus under what breaks: the server killed, flushed, cut off; workers killed; a long backlog."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from omnidaemon.adapters.redis import streams_inbox
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import Confirmation
from omnidaemon.testing.contracts.bus_opening import drain, ids
from omnidaemon.testing.place import TOPIC
from tests.faults.redis_bus.conftest import place_on

GREETER = Subscription(TOPIC, "greeter")


async def calls(bus):
    """How often the server was called: by scripts, whatever they do inside, and by blocking reads."""
    stats = await bus._server.command("INFO", "commandstats")
    rows = stats if isinstance(stats, dict) else dict(line.split(":") for line in stats.decode().split() if ":" in line)

    def count(name):
        row = rows.get(f"cmdstat_{name}", {"calls": 0})
        return int(row["calls"]) if isinstance(row, dict) else int(row.split("calls=")[1].split(",")[0])

    return count("evalsha") + count("eval"), count("xreadgroup")


async def test_one_round_trip_for_a_batch(place):
    """Publishing, receiving and acking a hundred tasks: one call each."""
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await bus.publish([place.task("warm")])  # the first time the server has to learn the scripts
        await inbox.ack(await drain(inbox, GREETER, 1))
        inbox._tend_at = asyncio.get_running_loop().time() + 60
        counts = [await calls(bus)]
        await bus.publish([place.task(f"t{number}") for number in range(100)])
        counts.append(await calls(bus))
        deliveries = await inbox.receive({GREETER: 100}, 5)
        counts.append(await calls(bus))
        await inbox.ack(deliveries)
        counts.append(await calls(bus))
        assert len(deliveries) == 100
        scripts, reads = zip(*counts, strict=True)
        assert [after - before for before, after in pairwise(scripts)] == [1, 0, 1]
        assert [after - before for before, after in pairwise(reads)] == [0, 1, 0]
        await inbox.close()


async def test_different_credits_are_kept_in_one_call(place):
    agents = [Subscription(TOPIC, f"agent{number}") for number in range(3)]
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare(dict.fromkeys(agents, Start.NOW))
        await bus.publish([place.task(f"t{number}") for number in range(10)])
        inbox = await bus.subscribe(agents)
        deliveries = await inbox.receive({agents[0]: 1, agents[1]: 4, agents[2]: 7}, 5)
        assert [sum(d.subscription == agent for d in deliveries) for agent in agents] == [1, 4, 7]
        await inbox.close()


async def test_two_inboxes_compete(place):
    """Two thousand tasks, each to one of them."""
    async with redis_stream_bus(place.context()) as bus, redis_stream_bus(place.context("peer")) as peer:
        await bus.declare({GREETER: Start.NOW})
        seen: list[str] = []

        async def work(inbox):
            while deliveries := await inbox.receive({GREETER: 7}, 0.5):
                seen.extend(ids(deliveries))
                await inbox.ack(deliveries)
            await inbox.close()

        inboxes = [await bus.subscribe([GREETER]), await peer.subscribe([GREETER])]
        await bus.publish([place.task(f"t{number}") for number in range(2000)])
        await asyncio.gather(*map(work, inboxes))
        assert sorted(seen) == sorted(f"t{number}" for number in range(2000))
        assert [(row.waiting, row.held) for row in await bus.depths()] == [(0, 0)]


async def test_what_a_killed_worker_held_is_taken_over(place, server, monkeypatch):
    monkeypatch.setattr(streams_inbox, "HOLD_SECONDS", 1.0)
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        await bus.publish([place.task(f"t{number}") for number in range(5)])
        assert await asyncio.to_thread(_hold_and_die, server.url, place.namespace) == 3
        inbox = await bus.subscribe([GREETER])
        assert sorted(ids(await drain(inbox, GREETER, 5))) == [f"t{number}" for number in range(5)]
        await inbox.close()


def _hold_and_die(url, namespace):
    """How many a worker held when it was killed."""
    script = Path(__file__).with_name("holder.py")
    command = [sys.executable, script, url, namespace, GREETER.topic, GREETER.agent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        held = int(worker.stdout.readline())
        worker.kill()
    return held


async def test_what_an_inbox_holds_it_does_not_get_again(place, monkeypatch):
    """Longer than it may be held: then it is another's to take, and comes to this one only if an ack was in doubt."""
    monkeypatch.setattr(streams_inbox, "HOLD_SECONDS", 1.0)
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        await bus.publish([place.task("t1")])
        inbox = await bus.subscribe([GREETER])
        (delivery,) = await drain(inbox, GREETER, 1)
        assert list(await inbox.receive({GREETER: 5}, 3)) == []
        inbox._held |= dict.fromkeys(inbox._still_held([delivery]), False)
        assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
        await inbox.close()


async def test_flushed_server_is_told_once_and_made_anew(place):
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await inbox.receive({GREETER: 1}, 0)
        receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, 60))
        await asyncio.sleep(0.05)  # into its blocking read
        await bus._server.command("FLUSHALL")
        with pytest.raises(BackendUnavailable, match="DATA LOSS"):
            await asyncio.wait_for(receiving, 10)
        # Nobody is declared just then: it waits on the topic.
        assert [receipt.receivers for receipt in await bus.publish([place.task("t1")])] == [0]
        assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
        assert [receipt.receivers for receipt in await bus.publish([place.task("t2")])] == [1]
        assert ids(await drain(inbox, GREETER, 1)) == ["t2"]
        await inbox.close()


async def test_queues_are_made_anew_once_a_second_at_most(place):
    """However often they vanish; and each time is told once."""
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        loop = asyncio.get_running_loop()
        made: list[float] = []
        declare = inbox._declare

        async def counted(subscriptions):
            made.append(loop.time())
            await declare(subscriptions)

        inbox._declare = counted
        ends_at, alarms = loop.time() + 4, 0
        while loop.time() < ends_at:
            await bus._server.command("FLUSHALL")
            try:
                await inbox.receive({GREETER: 1}, 0.05)
            except BackendUnavailable:
                alarms += 1
        assert len(made) >= 2
        assert all(later - earlier >= 0.99 for earlier, later in pairwise(made))
        assert len(made) <= alarms <= len(made) + 1
        await inbox.close()


async def test_retired_subscription_is_not_made_anew(place):
    """By a worker that still receives for it."""
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        await inbox.receive({GREETER: 1}, 0)
        receiving = asyncio.ensure_future(inbox.receive({GREETER: 1}, 2.5))
        await asyncio.sleep(0.05)  # into its blocking read
        await bus.retire(GREETER)
        assert list(await receiving) == []
        assert await bus.depths() == []
        await bus.declare({GREETER: Start.NOW})
        await bus.publish([place.task("t1")])
        assert ids(await drain(inbox, GREETER, 1)) == ["t1"]
        await inbox.close()


async def test_connections_cut_by_the_server(place):
    """Again and again, in the middle of everything: nothing confirmed is lost."""
    async with redis_stream_bus(place.context()) as bus, redis_stream_bus(place.context("peer")) as peer:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        confirmed: set[str] = set()
        seen: set[str] = set()

        async def publish():
            for number in range(300):
                (receipt,) = await bus.publish([place.task(f"t{number}")])
                if receipt.confirmation is Confirmation.CONFIRMED:
                    confirmed.add(receipt.task_id)
                await asyncio.sleep(0.005)

        async def cut():
            for _ in range(10):
                await asyncio.sleep(0.1)
                await peer._server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        running = asyncio.gather(publish(), cut())
        await _receive_all(inbox, seen, confirmed, running)
        await inbox.close()
        assert len(confirmed) > 200


async def _receive_all(inbox, seen, confirmed, running, within_seconds=30.0):
    """Receive and ack until all that was confirmed has come; how long receiving was down at most."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_seconds
    last, longest = loop.time(), 0.0
    while not (running.done() and confirmed <= seen):
        assert loop.time() < ends_at, f"{len(confirmed - seen)} of {len(confirmed)} are missing"
        try:
            deliveries = await inbox.receive({GREETER: 10}, 0.5)
            seen.update(
                ids(deliveries)
            )  # an ack whose reply is lost may have got through, and nothing comes again then
            await inbox.ack(deliveries)
        except BackendUnavailable:
            await asyncio.sleep(0.05)
            continue
        longest, last = max(longest, loop.time() - last), loop.time()
    await running
    return longest


async def test_nothing_confirmed_is_lost_when_the_server_is_killed(private_redis, tmp_path):
    """kill -9 while all goes on, and the server back after a while: receiving goes on within ten seconds."""
    place = place_on(private_redis, tmp_path)
    async with redis_stream_bus(place.context()) as bus:
        await bus.declare({GREETER: Start.NOW})
        inbox = await bus.subscribe([GREETER])
        confirmed: set[str] = set()
        told: set[Confirmation] = set()

        async def publish():
            for number in range(400):
                (receipt,) = await bus.publish([place.task(f"t{number}")])
                told.add(receipt.confirmation)
                if receipt.confirmation is Confirmation.CONFIRMED:
                    confirmed.add(receipt.task_id)
                await asyncio.sleep(0.01)

        async def kill():
            await asyncio.sleep(1)
            private_redis.stop(signal.SIGKILL)
            await asyncio.sleep(1)
            await asyncio.to_thread(private_redis.start)

        longest = await _receive_all(inbox, set(), confirmed, asyncio.gather(publish(), kill()))
        await inbox.close()
    assert len(confirmed) > 100
    assert Confirmation.FAILED in told
    assert longest < 11


async def test_long_backlog_moves_without_holding_up_the_server(place):
    """To three agents and, elsewhere, to one: no command takes a tenth of a second. It moves in steps, so ten times as
    many take no command longer."""
    count = 20_000
    async with redis_stream_bus(place.context()) as bus:
        for topic, agents in (("three", 3), ("one", 1)):
            await bus.publish([place.task(f"t{number}", topic=topic) for number in range(count)])
            await bus._server.command("CONFIG", "SET", "slowlog-log-slower-than", "100000")
            await bus._server.command("SLOWLOG", "RESET")
            subscriptions = [Subscription(topic, f"agent{number}") for number in range(agents)]
            await bus.declare(dict.fromkeys(subscriptions, Start.BACKLOG))
            assert await bus._server.command("SLOWLOG", "LEN") == 0
            assert [row.waiting for row in await bus.depths() if row.topic == topic] == [count] * agents
            inbox = await bus.subscribe(subscriptions)
            for subscription in subscriptions:
                assert ids(await drain(inbox, subscription, 3)) == ["t0", "t1", "t2"]
            await inbox.close()
        assert await bus.purge("one") == count - 3 + 3
        assert await bus._server.command("SLOWLOG", "LEN") == 0


@pytest.mark.parametrize("how", ["publish", "publish_logged"])
async def test_receipts_tell_what_may_have_arrived(place, server, how):
    """A server that cannot be reached got nothing; one that has died since may have."""
    async with redis_stream_bus(place.context()) as bus:
        bus._server.deadline_seconds = 1.0
        publish = getattr(bus, how)
        await publish([place.task("t1")])
        server.stop(signal.SIGKILL)
        told = [(await publish([place.task("t2")]))[0].confirmation for _ in range(2)]
        assert told[-1] is Confirmation.FAILED
        await asyncio.to_thread(server.start)
        assert (await publish([place.task("t3")]))[0].confirmation is Confirmation.CONFIRMED
        server.freeze()
        assert (await publish([place.task("t4")]))[0].confirmation is Confirmation.UNKNOWN
        server.thaw()
