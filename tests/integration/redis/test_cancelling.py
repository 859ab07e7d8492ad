"""A call on the server that is cancelled is cancelled, at whichever moment: a loop that is to end ends."""

from __future__ import annotations

import asyncio

from omnidaemon.adapters.redis.connection import RedisConnection

_TURNS = 60
_PATIENCE_SECONDS = 5.0


async def test_no_cancellation_is_lost(redis_url):
    """Who is cancelled during a call does not come to what follows it, unless the call was over by then."""
    connection = RedisConnection(redis_url)
    await connection.open()
    try:
        for turns in range(_TURNS):
            came_to: list[str] = []
            never = asyncio.Event()

            async def call(came_to: list[str] = came_to, never: asyncio.Event = never) -> None:
                await connection.command("PING")
                came_to.append("the end of the call")
                await never.wait()

            calling = asyncio.create_task(call())
            for _ in range(turns):
                await asyncio.sleep(0)
            was_over = bool(came_to)
            calling.cancel()
            done, _ = await asyncio.wait([calling], timeout=_PATIENCE_SECONDS)
            calling.cancel()
            assert done, f"a cancellation after {turns} turns of the loop was lost"
            assert calling.cancelled()
            assert bool(came_to) == was_over
    finally:
        await connection.close()
