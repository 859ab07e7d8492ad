"""One connection of its own, for calls in a row: blocking reads, and publications whose loss must be told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import hiredis
from redis import exceptions

from omnidaemon.adapters.redis.connection import DEADLINE_SECONDS, RedisConnection, Script


class Line:
    """Connects when it is first used, and anew after a failure. One call at a time; one that is cancelled takes the
    connection along, and a reply that hands something out is lost with it. `is_in_doubt`: the last call was sent, and
    nothing came back."""

    def __init__(self, server: RedisConnection, *, asks_for_id: bool = False) -> None:
        self._server = server
        self._asks_for_id = asks_for_id
        self._stack = AsyncExitStack()
        self._connection: Any = None
        self.is_in_doubt = False
        self.client_id: int | None = None

    async def command(self, *words: Any) -> Any:
        """Send one command."""
        with self._server.translating():
            return await self._sent(words)

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a script, in one round trip unless the server has yet to learn it."""
        with self._server.translating():
            try:
                return await self._sent(("EVALSHA", script.digest, len(keys), *keys, *args))
            except exceptions.NoScriptError:
                return await self._sent(("EVAL", script.text, len(keys), *keys, *args))

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        connection, self._connection, self.client_id = self._connection, None, None
        with self._server.translating():
            if connection is not None:
                await connection.disconnect()
            await self._stack.aclose()

    async def _sent(self, words: tuple[Any, ...]) -> Any:
        self.is_in_doubt = False
        # One deadline over all, since redis-py's own are a task and two timers for each call.
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._answered(words)

    async def _answered(self, words: tuple[Any, ...]) -> Any:
        connection = await self._connected()
        try:
            self.is_in_doubt = True
            # hiredis packs a batch's words much faster than redis-py's asyncio connections do.
            await connection.send_packed_command(hiredis.pack_command(words))
            reply = await connection.read_response()
        except exceptions.ResponseError:
            self.is_in_doubt = False
            raise
        self.is_in_doubt = False
        return reply

    async def _connected(self) -> Any:
        if self._connection is None:
            client = await self._stack.enter_async_context(self._server.apart())
            pool: Any = client.connection_pool
            self._connection = pool.make_connection()
        connection = self._connection
        # Whether the server has closed it is known before anything is sent in vain.
        if connection.is_connected and await connection.can_read():
            await connection.disconnect()
        if not connection.is_connected:
            self.client_id = None
            await connection.connect()
            if self._asks_for_id:
                await connection.send_command("CLIENT", "ID")
                self.client_id = await connection.read_response()
        return connection
