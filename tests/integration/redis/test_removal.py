"""Removing an agent while others publish: in steps, and as if it were one."""

from __future__ import annotations

from functools import partial

import pytest

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.domain.agent import AgentProfile
from omnidaemon.testing.contracts.opening import GREETER

_MOST_CALLS = 30


async def test_a_task_published_in_between_waits_for_nobody_who_is_gone(place):
    """Before each of the calls to the server that a removal makes, in turn: the task is cancelled with those that the
    agent had, or was published to no agent, and waits for the topic's next one."""
    async with redis_storage(place.context()) as storage, redis_storage(place.context("peer")) as peer:
        connection, keys = peer._space.connection, peer._space.keys
        outcomes = set()
        for number in range(_MOST_CALLS):
            await storage.registry.register([AgentProfile(subscription=GREETER)])
            await storage.registry.declared([GREETER])
            await storage.log.add([place.task(f"before-{number}")])
            late = place.task(f"late-{number}")
            is_published = await _removed_while(storage, partial(peer.log.add, [late]), number)
            if not is_published:
                break
            records = await peer.queries.records([f"before-{number}", f"late-{number}"])
            assert records[f"before-{number}"].is_cancelled
            named = await connection.command("HGET", keys.of("t", f"late-{number}"), "a")
            is_cancelled = records[f"late-{number}"].is_cancelled
            assert is_cancelled or named == b"*", number
            assert await connection.command("EXISTS", keys.of("leaving")) == 0
            outcomes.add((is_cancelled, named))
        else:
            pytest.fail("a removal takes more calls than were tried")
        assert outcomes >= {(True, b"greeter"), (False, b"*")}


async def _removed_while(storage, publish, number):
    """Remove the agent, with a publication before the call of this number; whether there was such a call."""
    connection = storage._space.connection
    calls, is_published = 0, False

    def between(call):
        async def called(*args):
            nonlocal calls, is_published
            if calls == number:
                is_published = True
                await publish()
            calls += 1
            return await call(*args)

        return called

    before = connection.command, connection.script
    connection.command, connection.script = map(between, before)
    try:
        await storage.registry.remove(GREETER)
    finally:
        connection.command, connection.script = before
    return is_published
