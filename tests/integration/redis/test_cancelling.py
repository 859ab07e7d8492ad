"""A call that is cancelled ends as cancelled, whatever it was doing: who stops a loop waits for just that."""

from __future__ import annotations

import asyncio
import random

from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script


async def test_no_cancellation_is_swallowed(private_redis) -> None:
    """At every point of a call, also as its reply comes in."""
    connection = RedisConnection(private_redis.url)
    chance = random.Random(5)
    await connection.open()
    try:
        outcomes = set()
        for _ in range(1000):
            call = asyncio.ensure_future(connection.script(packaged_script("ended"), ("omni:{x}:",), ["t1"]))
            for _ in range(chance.randrange(14)):
                await asyncio.sleep(0)
            was_under_way = not call.done() and call.cancel()
            await asyncio.wait([call])
            outcomes.add((was_under_way, call.cancelled()))
        assert outcomes <= {(True, True), (False, False)}
        assert (True, True) in outcomes
    finally:
        await connection.close()
