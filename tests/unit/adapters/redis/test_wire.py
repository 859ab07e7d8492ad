"""Calls over one connection: a reply reaches the call that it answers, or nobody."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
import redis.asyncio as redis
from redis import exceptions

from omnidaemon.adapters.redis.wire import Wire
from tests.unit.adapters.redis.handmade import until


@pytest.fixture
async def wire(connection):
    return Wire(cast("redis.Connection", connection))


def soon(seconds=5.0):
    return asyncio.get_running_loop().time() + seconds


async def called(wire, server, word):
    """A call that the server has heard."""
    call = asyncio.ensure_future(wire.call((word,), soon()))
    await server.hears(word.encode())
    return call


async def test_replies_come_in_pieces_and_errors_are_raised(wire, server):
    """An error of the command leaves the connection open."""
    call = await called(wire, server, "ONE")
    server.say(b"*2\r\n:1\r\n")
    await asyncio.sleep(0.01)
    server.say(b"$3\r\nabc\r\n")
    assert await call == [1, b"abc"]
    call = await called(wire, server, "TWO")
    server.say(b"-NOSCRIPT No matching script.\r\n")
    with pytest.raises(exceptions.NoScriptError):
        await call
    assert wire.is_open
    assert not wire.is_in_doubt


async def test_what_makes_the_connection_useless_closes_it(wire, server):
    """A server that is loading its data, as redis-py has it."""
    call = await called(wire, server, "ONE")
    server.say(b"-LOADING Redis is loading the dataset in memory\r\n")
    with pytest.raises(exceptions.BusyLoadingError):
        await call
    assert not wire.is_open


async def test_pushes_are_passed_over(wire, server):
    """Nobody here has asked for any."""
    call = await called(wire, server, "ONE")
    server.say(b">2\r\n+invalidate\r\n_\r\n:1\r\n")
    assert await call == 1


@pytest.mark.parametrize("has_come", [False, True])
async def test_a_call_that_is_cancelled_closes_the_connection(wire, server, has_come):
    """Also when the reply comes at the same moment."""
    call = await called(wire, server, "ONE")
    if has_come:
        server.say(b":1\r\n")
        await until(lambda: not wire.is_waiting)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not wire.is_open
    assert wire.is_in_doubt


@pytest.fixture
async def passes(monkeypatch):
    """Lets time pass on the loop's clock, and what is due by then happen."""
    loop = asyncio.get_running_loop()
    true_time, passed = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: true_time() + passed)

    async def passes(seconds):
        nonlocal passed
        passed += seconds
        await asyncio.sleep(0.001)  # a timer, which comes after those that were due before

    return passes


async def test_each_call_has_its_own_time(wire, server, passes):
    """One timer serves them all: it neither ends a call too early nor forgets one."""
    first = asyncio.ensure_future(wire.call(("ONE",), soon(20)))
    await server.hears(b"ONE")
    server.say(b":1\r\n")
    assert await first == 1
    second = asyncio.ensure_future(wire.call(("TWO",), soon(60)))
    await server.hears(b"TWO")
    await passes(40)  # the timer was set for the first
    assert not second.done()
    await passes(25)
    await asyncio.wait([second], timeout=5)
    assert isinstance(second.exception(), TimeoutError)
    assert not wire.is_open


@pytest.mark.parametrize("is_waited_for", [False, True])
async def test_a_server_that_hangs_up_is_noticed(wire, server, is_waited_for):
    """By the call under way, or before the next one."""
    call = await called(wire, server, "ONE") if is_waited_for else None
    await asyncio.sleep(0.01)
    server.writer.close()
    if call is not None:
        with pytest.raises(exceptions.ConnectionError):
            await call
    await until(lambda: not wire.is_open)


@pytest.mark.parametrize("said", [b":1\r\n", b"what is this\r\n"])
async def test_what_nobody_asked_for_ends_it(wire, server, said):
    """It might be a late reply."""
    await asyncio.sleep(0.01)
    server.say(said)
    await until(lambda: not wire.is_open)


@pytest.mark.parametrize("more", [b":2\r\n", b"$9\r\nthe begin"])
async def test_what_comes_with_a_reply_ends_it_too(wire, server, more):
    """It would be the next call's."""
    call = await called(wire, server, "ONE")
    server.say(b":1\r\n" + more)
    assert await call == 1
    assert not wire.is_open


async def test_a_reply_waits_for_whoever_comes(wire, server):
    """A call in two halves survives its caller."""
    wire.send(("ONE",), soon())
    caller = asyncio.ensure_future(wire.reply())
    await server.hears(b"ONE")
    caller.cancel()
    await asyncio.wait([caller])
    server.say(b":1\r\n")
    await until(lambda: not wire.is_waiting)
    assert wire.is_in_doubt
    assert await wire.reply() == 1
    assert wire.is_open


async def test_of_several_commands_the_last_answers(wire, server):
    """However their replies come; what is pushed meanwhile is none of them."""
    call = asyncio.ensure_future(wire.call(b"MANY", soon(), 3))
    await server.hears(b"MANY")
    server.say(b"+OK\r\n+QUE")
    await asyncio.sleep(0.01)
    server.say(b"UED\r\n>2\r\n+invalidate\r\n_\r\n*1\r\n:1\r\n")
    assert await call == [1]
    call = await called(wire, server, "ONE")
    server.say(b":2\r\n")
    assert await call == 2


async def test_of_several_commands_the_first_error_is_raised(wire, server):
    """It says more than that the transaction was given up; the connection stays open."""
    call = asyncio.ensure_future(wire.call(b"MANY", soon(), 4))
    await server.hears(b"MANY")
    server.say(b"+OK\r\n-NOPERM no\r\n-MOVED 1 a:1\r\n-EXECABORT discarded\r\n")
    with pytest.raises(exceptions.NoPermissionError):
        await call
    call = await called(wire, server, "ONE")
    server.say(b":2\r\n")
    assert await call == 2
    assert wire.is_open


async def test_given_back_it_is_as_before(wire, server, connection):
    """redis-py goes on with its own reader."""
    call = await called(wire, server, "ONE")
    server.say(b":1\r\n")
    assert await call == 1
    assert await wire.given_back() is connection
    server.say(b"+PONG\r\n")
    assert await connection.reader.readline() == b"+PONG\r\n"


async def test_closing_ends_it(wire, server):
    """Once and for all; a second time does no harm."""
    await wire.close()
    await wire.close()
    with pytest.raises(exceptions.ConnectionError):
        await wire.call(("ONE",), soon())
