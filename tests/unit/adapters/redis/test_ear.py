"""Hearing a channel: each message at once, silence asked about, and an end when it is told to, whatever comes then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import pytest
import redis.asyncio as redis
from redis import exceptions

from omnidaemon.adapters.redis import ear as ears
from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.ear import Ear, Hearing
from omnidaemon.adapters.redis.faults import Translating
from tests.unit.adapters.redis.handmade import Handmade, Server, until

# --- what is heard ----------------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> list[bytes | None]:
    return []


@pytest.fixture
async def listening(connection, server: Server, heard):
    """A connection that has asked for the channel."""
    hearing = Hearing(cast("redis.Connection", connection), heard.append)
    task = asyncio.create_task(hearing.listen("bell", 60.0))
    await server.hears(b"SUBSCRIBE")
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await hearing.close()


async def is_heard(heard: list[bytes | None], *messages: bytes | None) -> None:
    await until(lambda: len(heard) >= len(messages))
    assert heard == list(messages)


@pytest.mark.parametrize("kind", [b">", b"*"], ids=["RESP3", "RESP2"])
async def test_messages_are_passed_on(listening, server: Server, heard, kind):
    """None when the listening begins; in both of the server's protocols. What else it says is passed over."""
    server.say(kind + b"3\r\n$9\r\nsubscribe\r\n$4\r\nbell\r\n:1\r\n")
    await is_heard(heard, None)
    server.say(kind + b"3\r\n$7\r\nmessage\r\n$4\r\nbell\r\n$2\r\nhi\r\n")
    server.say(kind + b"2\r\n$4\r\npong\r\n$0\r\n\r\n+PONG\r\n")
    server.say(kind + b"3\r\n$7\r\nmessage\r\n$4\r\nbell\r\n$0\r\n\r\n")
    await is_heard(heard, None, b"hi", b"")
    assert not listening.done()


async def test_who_may_not_listen_hears_why(listening, server: Server):
    """So that it can be told apart from a break."""
    server.say(b"-NOPERM no permissions to access a channel\r\n")
    with pytest.raises(exceptions.NoPermissionError):
        await asyncio.wait_for(listening, 5)


async def test_a_server_that_hangs_up_is_noticed(listening, server: Server):
    """At once."""
    assert server.writer is not None
    server.writer.close()
    with pytest.raises(exceptions.ConnectionError):
        await asyncio.wait_for(listening, 5)


MESSAGE = b">3\r\n$7\r\nmessage\r\n$4\r\nbell\r\n$2\r\nhi\r\n"
SUBSCRIBED = b">3\r\n$9\r\nsubscribe\r\n$4\r\nbell\r\n:1\r\n"


@pytest.mark.parametrize("answer", [b"+PONG\r\n", MESSAGE, b""])
async def test_silence_is_asked_about(monkeypatch, connection, server: Server, answer):
    """Whatever comes then will do; nothing within the call's deadline means that the connection is dead."""
    monkeypatch.setattr(ears, "_SILENCE_SECONDS", 0.05)
    hearing = Hearing(cast("redis.Connection", connection), lambda _: None)
    listening = asyncio.create_task(hearing.listen("bell", 60.0 if answer else 0.05))
    await server.hears(b"SUBSCRIBE")
    server.say(SUBSCRIBED)
    for times in range(1, 4):
        await until(lambda times=times: server.heard.count(b"PING") >= times or listening.done())
        if answer:
            server.say(answer)
    if answer:
        assert not listening.done()
        listening.cancel()
    with pytest.raises(asyncio.CancelledError if answer else TimeoutError):
        await listening
    assert server.heard.count(b"PING") == (3 if answer else 1)
    await hearing.close()


async def test_no_answer_is_noticed_by_the_deadline_however_long_silence_may_be(monkeypatch, connection, server):
    """Neither to the first word nor to a ping is the silence that is usual between messages allowed."""
    monkeypatch.setattr(ears, "_SILENCE_SECONDS", 3600.0)
    hearing = Hearing(cast("redis.Connection", connection), lambda _: None)
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await hearing.listen("bell", 0.05)
    assert server.heard.count(b"SUBSCRIBE") == 1
    assert server.heard.count(b"PING") == 0
    await hearing.close()


async def test_a_slow_pong_has_the_deadline_too(monkeypatch, connection, server: Server):
    """Also where silence is asked about sooner than that."""
    monkeypatch.setattr(ears, "_SILENCE_SECONDS", 0.02)
    hearing = Hearing(cast("redis.Connection", connection), lambda _: None)
    listening = asyncio.create_task(hearing.listen("bell", 60.0))
    await server.hears(b"SUBSCRIBE")
    server.say(SUBSCRIBED)
    await server.hears(b"PING")
    await asyncio.wait([listening], timeout=0.1)
    assert not listening.done()
    assert server.heard.count(b"PING") == 1
    server.say(b"+PONG\r\n")
    await until(lambda: server.heard.count(b"PING") == 2)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await hearing.close()


class Silent:
    """Where connections are made to a server that takes them and says nothing."""

    deadline_seconds = 0.05

    def __init__(self, port: int) -> None:
        self.made = 0
        self._port = port

    def translating(self):
        return Translating("nowhere")

    async def connection(self):
        self.made += 1
        return Handmade(*await asyncio.open_connection("127.0.0.1", self._port))


async def test_who_gets_no_word_connects_anew(monkeypatch, server: Server):
    """Soon: whoever waits for results hears nothing until then."""
    monkeypatch.setattr(ears, "_RETRY_SECONDS", 0.01)
    connection = Silent(server.port)
    ear = Ear(cast("RedisConnection", connection), "bell", lambda _: None)
    ear.start()
    await until(lambda: connection.made >= 3)
    await ear.close()
    assert server.heard.count(b"SUBSCRIBE") >= 2


# --- how it ends ------------------------------------------------------------------------------------------------------


class Stubborn:
    """A server to which no connection is made; the first cancellation of an attempt is swallowed."""

    deadline_seconds = 60.0

    def __init__(self, takes_to_end: asyncio.Event) -> None:
        self.is_asked = asyncio.Event()
        self._takes_to_end = takes_to_end

    def translating(self):
        return contextlib.nullcontext()

    async def connection(self):
        self.is_asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await self._takes_to_end.wait()
        await asyncio.Event().wait()


@pytest.fixture
def may_close() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def ear(may_close: asyncio.Event):
    connection = Stubborn(may_close)
    ear = Ear(cast("RedisConnection", connection), "bell", lambda _: None)
    ear.start()
    await asyncio.wait_for(connection.is_asked.wait(), 5)
    return ear


async def test_it_ends_though_a_cancellation_is_swallowed(ear: Ear, may_close: asyncio.Event):
    """As redis-py may do."""
    may_close.set()
    async with asyncio.timeout(5):
        await ear.close()
    assert not [task for task in asyncio.all_tasks() if "ear" in task.get_name()]


async def test_who_is_cancelled_while_it_closes_hears_of_it(ear: Ear, may_close: asyncio.Event):
    """It is not taken for the end of the listening."""
    closing = asyncio.create_task(ear.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    may_close.set()
