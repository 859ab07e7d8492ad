"""Blocking reads: woken when they are to, and nothing that one has brought is lost with its caller."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from omnidaemon.adapters.redis.blocking_reader import BlockingReader, QueuesGone
from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.testing.patience import eventually

QUEUE = "reading"


@pytest.fixture
async def server(private_redis):
    connection = RedisConnection(private_redis.url)
    await connection.open()
    await connection.command("XGROUP", "CREATE", QUEUE, "workers", "0", "MKSTREAM")
    yield connection
    await connection.command("UNLINK", QUEUE)
    await connection.close()


@pytest.fixture
async def reader(server):
    reader = BlockingReader(server, "workers", "me")
    yield reader
    await reader.close()


def bodies(entries):
    return [words[1] for _, words in entries.get(QUEUE.encode(), [])]


async def begun(reader, server):
    """A read that the server waits with."""
    reading = asyncio.create_task(reader.read([QUEUE], 10, 1.0))
    await eventually(partial(server.command, "CLIENT", "LIST"), lambda clients: b" cmd=xreadgroup" in clients)
    return reading


async def test_what_a_cancelled_read_brings_is_there_for_the_next(server, reader):
    """Before anything else; the next one reads again."""
    reading = await begun(reader, server)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    await server.command("XADD", QUEUE, "*", "task", "a")
    await server.command("XADD", QUEUE, "*", "task", "b")
    assert bodies(await reader.read([QUEUE], 10, 1.0)) == [b"a"]
    assert bodies(await reader.read([QUEUE], 10, 1.0)) == [b"b"]
    assert not reader.is_under_way


async def test_the_rest_of_a_read_is_had_without_another_one(server, reader):
    """As when its inbox is closed, which has to give it back; nothing, where none is under way."""
    assert await reader.rest() == {}
    reading = await begun(reader, server)
    reading.cancel()
    await asyncio.wait([reading])
    assert reader.is_under_way
    await server.command("XADD", QUEUE, "*", "task", "a")
    assert bodies(await reader.rest()) == [b"a"]
    assert await reader.rest() == {}


async def test_each_read_is_woken_for_itself(server, reader):
    """Once: the next one waits again, and can be woken again."""
    for _ in range(5):
        began = time.monotonic()
        reading = asyncio.create_task(reader.read([QUEUE], 10, 1.0))
        await asyncio.sleep(0)
        reader.wake()
        assert await reading == {}
        assert time.monotonic() - began < 0.5
    began = time.monotonic()
    assert await reader.read([QUEUE], 10, 0.2) == {}
    assert time.monotonic() - began > 0.15


async def test_queues_that_are_gone_are_told(server, reader):
    """Before and during a read."""
    reading = await begun(reader, server)
    await server.command("UNLINK", QUEUE)
    with pytest.raises(QueuesGone):
        await reading
    with pytest.raises(QueuesGone):
        await reader.read([QUEUE], 10, 1.0)


async def test_the_rest_waits_for_a_read_whose_caller_is_there(server, reader):
    """Which has what it brings."""
    reading = await begun(reader, server)
    rest = asyncio.create_task(reader.rest())
    await asyncio.sleep(0.01)
    assert not rest.done()
    await server.command("XADD", QUEUE, "*", "task", "a")
    assert bodies(await reading) == [b"a"]
    assert await rest == {}
