"""A server that is killed, frozen, emptied or not fit for use."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import pytest
import redis

from omnidaemon.adapters.redis import RedisResultStore, redis_storage
from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.worker import ScriptedWorker, states, succeeded


@pytest.fixture
def place(private_redis, place_of):
    return place_of(private_redis.url)


@pytest.fixture
def worker(storage):
    return ScriptedWorker(storage.runs, "w1", lease_seconds=30.0)


async def test_killed_server_keeps_what_it_confirmed(private_redis, place, storage, worker):
    """With `appendfsync always`: calls fail at once while it is away, and the same storage goes on afterwards."""
    grant = await worker.begun(place.task(), GREETER)
    private_redis.stop(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        await worker.renew(grant)
    assert time.monotonic() - began < 3
    private_redis.start()
    assert not (await worker.renew(grant)).lost
    assert await worker.settle(grant, succeeded(b'"kept"'))
    assert (await storage.queries.records(["t1"]))["t1"].runs[0].result == b'"kept"'


async def test_wakeups_come_back_after_a_restart(private_redis, place, storage, worker):
    wakeups = storage.runs.wakeups()
    private_redis.stop()
    private_redis.start()
    assert await wakeups.wait(10)  # for what may have been missed
    grant = await worker.begun(place.task(), GREETER)
    await worker.release(grant)
    assert await wakeups.wait(10)
    wakeups.close()


async def test_frozen_server_is_given_up_after_the_deadline(private_redis, storage, worker):
    """Half-open, it would be silent for ever."""
    storage._space.connection.deadline_seconds = 0.5
    private_redis.freeze()
    began = time.monotonic()
    with pytest.raises(BackendUnavailable):
        await worker.renew()
    assert time.monotonic() - began < 3
    private_redis.thaw()
    await eventually(storage.queries.counts, lambda counts: counts == {})


async def test_cancelled_calls_cross_no_replies(place, storage):
    """Two hundred reads, half of them cancelled on the way: each of the others gets its own answer."""
    ids = [f"t{number}" for number in range(50)]
    await storage.log.add([place.task(task_id) for task_id in ids])
    chance = random.Random(5)

    async def ask(task_id):
        return task_id, list(await storage.queries.records([task_id]))

    for _ in range(4):
        calls = [asyncio.create_task(ask(task_id)) for task_id in ids]
        for call in calls[::2]:
            await asyncio.sleep(chance.random() * 0.002)
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for asked, answer in zip(ids, answers, strict=True):
            assert isinstance(answer, asyncio.CancelledError) or answer == (asked, [asked])


async def test_many_calls_at_once_wait_for_a_connection(place, storage):
    """More than the pool has connections; redis-py's own pool would raise."""
    await storage.log.add([place.task()])
    answers = await asyncio.gather(*(storage.queries.records(["t1"]) for _ in range(300)))
    assert all(list(answer) == ["t1"] for answer in answers)


async def test_lost_scripts_are_sent_again(private_redis, place, storage, worker):
    """As after a failover."""
    with redis.Redis.from_url(private_redis.url) as client:
        client.script_flush()
    grant = await worker.begun(place.task(), GREETER)
    assert await worker.settle(grant, succeeded())


async def test_emptied_server_begins_anew(private_redis, place, storage, worker):
    """What was held is lost and said to be; new tasks are taken."""
    grant = await worker.begun(place.task("old"), GREETER)
    with redis.Redis.from_url(private_redis.url) as client:
        client.flushall()
    assert (await worker.renew(grant)).lost == {grant.run.key}
    assert not await worker.settle(grant, succeeded())
    await worker.begun(place.task("new"), GREETER)
    assert states((await storage.queries.records(["new"]))["new"].runs) == {"greeter": "running"}


async def test_clock_that_was_set_is_noticed(place, storage, worker):
    """An estimate that is off is refused by the server, and the call decides anew."""
    storage._space.clock._offset += 3600
    grant = await worker.begun(place.task(), GREETER)
    assert abs((grant.run.started_at - place.now()).total_seconds()) < 1


# --- not fit for use --------------------------------------------------------------------------------------------------


async def test_server_that_evicts_is_refused(private_redis, place):
    with redis.Redis.from_url(private_redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(BackendUnusable, match=r"maxmemory-policy is allkeys-lru.*noeviction"):
        await redis_storage(place.context()).__aenter__()


async def test_data_of_a_newer_version_is_refused(private_redis, place):
    with redis.Redis.from_url(private_redis.url) as client:
        client.set(f"{prefix(place.namespace)}schema", 99)
    with pytest.raises(BackendUnusable, match="version 99"):
        await redis_storage(place.context()).__aenter__()


@pytest.mark.parametrize(
    "url",
    ["redis://me:s3cret@127.0.0.1:1/0", "redis://127.0.0.1:1/0?password=s3cret", "nonsense://me:s3cret@host"],
)
async def test_no_error_shows_the_password(place, url):
    with pytest.raises((BackendUnavailable, BackendUnusable)) as raised:
        await RedisResultStore(redis_url=url)(place.context()).__aenter__()
    assert "s3cret" not in f"{raised.value!r} {raised.value}"
    assert "s3cret" not in repr(RedisResultStore(redis_url=url))


async def test_wrong_password_is_for_a_person(private_redis, place_of):
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "me", "on", ">right", "~*", "+@all")
    url = private_redis.url.replace("//", "//me:wrong@")
    with pytest.raises(BackendUnusable, match="check the user and the password"):
        await redis_storage(place_of(url).context()).__aenter__()
