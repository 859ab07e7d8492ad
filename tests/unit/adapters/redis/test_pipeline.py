"""Calls that do not wait for one another: each reply reaches the call that it answers, or nobody."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
import redis.asyncio as redis
from redis import exceptions

from omnidaemon.adapters.redis.pipeline import InDoubt, Pipe
from tests.unit.adapters.redis.handmade import Server, until


@pytest.fixture
async def pipe(connection) -> Pipe:
    return Pipe(cast("redis.Connection", connection), deadline_seconds=5.0)


async def sent(pipe: Pipe, server: Server, *words: str) -> list[asyncio.Future[object]]:
    """Calls that the server has heard."""
    calls = [pipe.send((word,)) for word in words]
    await server.hears(words[-1].encode())
    return calls


async def test_replies_come_in_the_order_of_the_calls(pipe, server):
    """Also in pieces and several at once; one that is an error is raised."""
    one, two, three = await sent(pipe, server, "ONE", "TWO", "THREE")
    server.say(b"+first\r\n-ERR no\r\n$5\r\nthi")
    assert await one == b"first"
    with pytest.raises(exceptions.ResponseError, match="no"):
        await two
    assert not three.done()
    server.say(b"rd\r\n")
    assert await three == b"third"
    assert pipe.is_open


async def test_a_cancelled_call_takes_no_other_along(pipe, server):
    """Its reply is nobody's."""
    one, two = await sent(pipe, server, "ONE", "TWO")
    one.cancel()
    server.say(b"+first\r\n+second\r\n")
    assert await two == b"second"


@pytest.mark.parametrize("how", ["it hangs up", "it says something unasked", "it talks nonsense"])
async def test_what_nobody_can_answer_any_more_is_in_doubt(pipe, server, how):
    """All that was sent; what is answered already is not."""
    one, two, three = await sent(pipe, server, "ONE", "TWO", "THREE")
    server.say(b"+first\r\n")
    assert await one == b"first"
    if how == "it hangs up":
        server.writer.close()
    else:
        server.say(b"?\r\n" if "nonsense" in how else b"+second\r\n+third\r\n+fourth\r\n")
    await until(lambda: not pipe.is_open)
    answers = await asyncio.gather(two, three, return_exceptions=True)
    if "unasked" in how:
        assert list(answers) == [b"second", b"third"]
    else:
        assert [type(answer) for answer in answers] == [InDoubt, InDoubt]


async def test_a_reply_has_its_deadline(connection, server):
    """Of calls one after the other the first one's counts: nobody's reply can be told from another's after that."""
    pipe = Pipe(cast("redis.Connection", connection), deadline_seconds=0.05)
    one, two = await sent(pipe, server, "ONE", "TWO")
    for call in (one, two):
        with pytest.raises(InDoubt) as doubt:
            await call
        assert isinstance(doubt.value.failure, TimeoutError)
    assert not pipe.is_open


async def test_it_is_settled_once_all_is_answered(pipe, server):
    """Or nothing was sent."""
    await pipe.settled()
    calls = await sent(pipe, server, "ONE", "TWO")
    waiting = asyncio.ensure_future(pipe.settled())
    server.say(b"+first\r\n")
    await calls[0]
    assert not waiting.done()
    server.say(b"+second\r\n")
    await waiting
    assert all(call.done() for call in calls)


async def test_who_closes_leaves_nobody_waiting(pipe, server):
    """What is under way is in doubt, and what comes later is refused without having been sent."""
    (call,) = await sent(pipe, server, "ONE")
    await pipe.close()
    with pytest.raises(InDoubt):
        await call
    with pytest.raises(exceptions.ConnectionError, match="closed"):
        await pipe.send(("TWO",))
