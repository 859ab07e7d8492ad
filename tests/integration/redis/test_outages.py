"""Workers whose Redis goes away under load: stopped, killed, emptied."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from functools import partial

import pytest
import redis

from omnidaemon import OmniDaemonSDK
from omnidaemon.errors import BackendUnavailable, PublishFailed
from omnidaemon.testing.patience import eventually
from tests.servers.amounts import amount
from tests.servers.backends import backends_in
from tests.servers.workshop import Workshop

AWAY_SECONDS = amount(4.0, 60.0)
KILLS = amount(2, 10)
RESUME_SECONDS = 10.0
PUBLISHED_A_SECOND = 50

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def workshop(request, tmp_path, private_redis):
    bus = getattr(request, "param", "redis_stream")
    shop = Workshop(tmp_path, backends_in(tmp_path, bus, "redis", private_redis.url))
    for _ in range(2):
        shop.start_worker()
    yield shop
    shop.close()


@pytest.fixture
async def client(workshop):
    sdk = OmniDaemonSDK(settings=workshop.backends.settings)
    yield sdk
    await sdk.close()


class Load:
    """Tasks that are published one after the other, whatever becomes of the server. `confirmed` are those for which
    an id was returned."""

    def __init__(self, client):
        self.confirmed: list[str] = []
        self.refused = 0
        self._client = client
        self._chance = random.Random(1)

    async def __aenter__(self):
        self._publishing = asyncio.create_task(self._publish())
        return self

    async def __aexit__(self, *_):
        self._publishing.cancel()
        await asyncio.gather(self._publishing, return_exceptions=True)

    async def _publish(self):
        while True:
            payload = {"n": len(self.confirmed), "seconds": self._chance.uniform(0.01, 0.5)}
            try:
                self.confirmed.append(await self._client.publish_task("work", payload))
            except (PublishFailed, BackendUnavailable):
                self.refused += 1
            await asyncio.sleep(1 / PUBLISHED_A_SECOND)

    async def grows(self, by=PUBLISHED_A_SECOND):
        """Return once so many more are confirmed."""
        wanted = len(self.confirmed) + by
        await eventually(self._count, lambda count: count >= wanted, within_seconds=RESUME_SECONDS + by)

    async def _count(self):
        return len(self.confirmed)


async def all_succeeded(client, task_ids):
    """Return once they have; one whose publication could not be logged is unknown until it is begun."""

    left = list(task_ids)

    async def statuses():
        results = {task_id: await client.get_result(task_id) for task_id in left}
        left[:] = [task_id for task_id, result in results.items() if result is None or result.status != "succeeded"]
        return Counter(results[task_id] and results[task_id].status for task_id in left)

    await eventually(statuses, lambda seen: not seen, within_seconds=60)


async def resumed_after(workshop, moment):
    """How long after this moment the first handler was started."""

    def has_resumed():
        return any(float(row[5]) > moment for row in workshop.lines("start"))

    await asyncio.to_thread(workshop.until, has_resumed)
    return min(float(row[5]) for row in workshop.lines("start") if float(row[5]) > moment) - moment


def assert_each_ran_once(workshop, task_ids):
    starts = workshop.times("start")
    assert {task_id: starts[task_id] for task_id in task_ids if starts[task_id] != 1} == {}


async def test_a_server_that_was_stopped_for_a_while(private_redis, workshop, client):
    """What runs goes on, and is recorded afterwards: nothing lost, nothing run twice; workers resume soon."""
    async with Load(client) as load:
        await load.grows()
        await asyncio.to_thread(private_redis.stop)
        await asyncio.sleep(AWAY_SECONDS)
        assert load.refused
        await asyncio.to_thread(private_redis.start)
        back_at = time.time()
        await load.grows()
    assert await resumed_after(workshop, back_at) < RESUME_SECONDS
    await all_succeeded(client, load.confirmed)
    assert_each_ran_once(workshop, load.confirmed)


async def test_a_server_that_is_killed_again_and_again(private_redis, workshop, client):
    """With `appendfsync always`: what was confirmed is there, and none of it runs twice."""
    async with Load(client) as load:
        for _ in range(KILLS):
            await load.grows()
            await asyncio.to_thread(private_redis.stop, signal.SIGKILL)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(private_redis.start)
            assert await resumed_after(workshop, time.time()) < RESUME_SECONDS
        await load.grows()
    await all_succeeded(client, load.confirmed)
    assert_each_ran_once(workshop, load.confirmed)


async def store_losses_of(workshop: Workshop) -> int:
    """How often its workers have told of them."""
    return workshop.words.count("DATA LOSS: the store has lost its data")


@pytest.mark.parametrize("workshop", ["redis_stream", "redis_pubsub"], indirect=True)
async def test_a_server_that_was_emptied(private_redis, workshop, client):
    """It is told, by bus and store, and all is there again: what is confirmed from then on is run, once. What was in
    flight may run a second time, since nobody knows of the first any more; nothing else does."""
    async with Load(client) as load:
        await load.grows()
        with redis.Redis.from_url(private_redis.url) as server:
            server.flushall()
        emptied_at, before = time.time(), len(load.confirmed)
        await load.grows()
        assert await resumed_after(workshop, emptied_at + 0.5) < RESUME_SECONDS
        await eventually(partial(store_losses_of, workshop), lambda count: count == 2)  # with the next heartbeat
        told = "DATA LOSS: the bus's queues are gone" if workshop.backends.bus == "redis_stream" else "LOST TASKS"
        assert told in workshop.words
        await eventually(client.list_agents, lambda agents: {agent.status for agent in agents} == {"running"})
    # One confirmed just before may have gone with the rest.
    await all_succeeded(client, load.confirmed[before + 1 :])
    again = {task_id for task_id, times in workshop.times("start").items() if times > 1}
    assert again <= set(load.confirmed[: before + 1])
    assert again <= {row[1] for row in workshop.lines("start") if emptied_at - 1 < float(row[5]) < emptied_at + 1}


async def test_a_server_that_is_emptied_all_the_time(private_redis, workshop, client):
    """Nobody is kept busy by that: each worker tries once a second at most, and says so."""
    began = time.monotonic()
    with redis.Redis.from_url(private_redis.url) as server:
        while time.monotonic() < began + 5:
            server.flushall()
            await asyncio.sleep(0.02)
        commands = server.info("commandstats")
    assert workshop.words.count("DATA LOSS") <= 2 * 2 * 6  # workers, bus and store, seconds
    assert sum(row["calls"] for name, row in commands.items() if name == "cmdstat_evalsha") < 2 * 6 * 40
    task_id = await client.publish_task("greet.user", {"name": "Alice"})
    await all_succeeded(client, [task_id])
