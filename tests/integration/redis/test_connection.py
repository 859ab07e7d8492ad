"""Connections that stay at hand between scripts."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import redis

from omnidaemon.adapters.redis.connection import RedisConnection, Script
from omnidaemon.domain.errors import BackendUnavailable

ANSWER = Script("return tonumber(ARGV[1])")


@pytest.fixture
async def connection(private_redis):
    opened = RedisConnection(private_redis.url, deadline_seconds=0.5)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def clients(private_redis):
    """The connections that the server has, but for the one that asks."""
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as asking:
        own = asking.client_id()
        yield lambda: [each for each in asking.client_list() if int(each["id"]) != own]


async def test_one_that_the_server_has_dropped_is_not_used(private_redis, connection, clients):
    await connection.script(ANSWER, ["x"], [1])
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as killer:
        killer.client_kill_filter(_type="normal", skipme=True)
    await asyncio.sleep(0.05)
    assert await connection.script(ANSWER, ["x"], [2]) == 2


async def test_one_whose_call_ran_out_of_time_answers_nobody_else(private_redis, connection):
    """The reply that came too late would be the next call's."""
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as pausing:
        pausing.client_pause(800)
        with pytest.raises(BackendUnavailable):
            await connection.script(ANSWER, ["x"], [1])
    await asyncio.sleep(0.5)
    assert await connection.script(ANSWER, ["x"], [2]) == 2


async def test_few_stay_and_none_after_closing(connection, clients):
    """However many were needed at once."""
    answers = await asyncio.gather(*(connection.script(ANSWER, ["x"], [n]) for n in range(60)))
    assert answers == list(range(60))
    assert len(clients()) <= 16
    await connection.close()
    await asyncio.sleep(0.05)
    assert clients() == []


@pytest.mark.parametrize("how", ["script", "command"])
async def test_one_whose_call_is_cancelled_twice_is_made_anew(private_redis, connection, how):
    """The second time while it goes back to the pool, which somebody else is busy with just then."""
    calls = {"script": lambda: connection.script(ANSWER, ["x"], [1]), "command": lambda: connection.command("PING")}
    await calls[how]()
    pool = connection._client.connection_pool
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as pausing:
        for _ in range(pool.max_connections):
            pausing.client_pause(50)
            calling = asyncio.create_task(calls[how]())
            await asyncio.sleep(0.01)
            async with pool._condition:
                calling.cancel()
                await asyncio.sleep(0.01)
                calling.cancel()
                await asyncio.wait([calling])
            assert calling.cancelled()
    for call in calls.values():
        await call()
