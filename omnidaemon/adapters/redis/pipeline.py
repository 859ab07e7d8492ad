"""One connection of its own, on which no call waits for the reply to the one before."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.asyncio as redis
from redis import exceptions

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.faults import not_open
from omnidaemon.adapters.redis.takeover import Takeover


class InDoubt(Exception):
    """A command was sent, and nothing came back."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Pipe(Takeover):
    """Replies come in the order of the commands, so that whose turn it is says whose each of them is."""

    def __init__(self, connection: redis.Connection, deadline_seconds: float) -> None:
        super().__init__(connection)
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()

    def send(self, words: Sequence[Any]) -> asyncio.Future[Any]:
        """Send a command now. Its reply, an error of redis-py where that is one, or `InDoubt`. Who no longer waits for
        it may cancel it."""
        packed = hiredis.pack_command(tuple(words))
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._failure is not None:
            reply.set_exception(exceptions.ConnectionError("The connection is closed."))  # no doubt: nothing is sent
            return reply
        ends_at = self._loop.time() + self._deadline_seconds
        self._waiting.append((reply, ends_at))
        self._watch(ends_at)
        self._transport.write(packed)
        return reply

    async def settled(self) -> None:
        """Wait until everything that was sent is answered, or in doubt."""
        if self._waiting:
            await asyncio.wait([reply for reply, _ in self._waiting])

    def _take(self, reply: Any) -> None:
        if not self._waiting:
            self._fail(exceptions.ConnectionError("The server said something unasked."))
            return
        answer, _ = self._waiting.popleft()
        if answer.done():  # cancelled
            return
        if isinstance(reply, Exception):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    def _first_end(self) -> float | None:
        return self._waiting[0][1] if self._waiting else None

    def _has_failed(self, failure: Exception) -> None:
        waiting, self._waiting = self._waiting, deque()
        for reply, _ in waiting:
            if not reply.done():
                reply.set_exception(InDoubt(failure))


class Pipeline:
    """Connects when it is first used, and anew after a failure."""

    def __init__(self, server: RedisConnection) -> None:
        self._server = server
        self._pipe: Pipe | None = None
        self._is_closed = False
        self._turn = asyncio.Lock()

    @property
    def pipe(self) -> Pipe | None:
        """The connection, None where there is none just now."""
        is_usable = self._pipe is not None and self._pipe.is_open and not self._is_closed
        return self._pipe if is_usable else None

    async def connected(self) -> Pipe:
        """The connection, made where there is none. Raises `BackendError`."""
        async with self._turn:
            if self._is_closed:
                raise not_open(self._server.location)
            if (pipe := self.pipe) is None:
                with self._server.translating():
                    async with asyncio.timeout(self._server.deadline_seconds):
                        await self._disconnect()
                        pipe = self._pipe = Pipe(await self._server.connection(), self._server.deadline_seconds)
            return pipe

    async def close(self) -> None:
        """Wait for what is under way, and close the connection; nothing more is sent. Idempotent."""
        self._is_closed = True
        async with self._turn:
            if self._pipe is not None:
                await self._pipe.settled()
            with self._server.translating():
                await self._disconnect()

    async def _disconnect(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            await pipe.close()
