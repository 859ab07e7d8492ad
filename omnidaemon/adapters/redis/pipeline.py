"""One connection of its own, on which no call waits for the reply to the one before."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from typing import Any, Final

import hiredis
from redis import exceptions

from omnidaemon.adapters.redis.connection import DEADLINE_SECONDS, RedisConnection
from omnidaemon.adapters.redis.faults import translated
from omnidaemon.domain.errors import BackendError

_NOTHING: Final = object()


class InDoubt(Exception):
    """A command was sent, and nothing came back."""

    def __init__(self, error: BackendError) -> None:
        super().__init__(str(error))
        self.error = error


class Wire(asyncio.Protocol):
    """A connection that redis-py has made and greeted the server on; from then on it reads here.

    redis-py's own way of reading a reply, through a stream of asyncio, costs more than all else that a short call does.
    Replies come in the order of the commands, so that whose turn it is says whose each of them is.
    """

    def __init__(self, connection: Any, location: str) -> None:
        self._location = location
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        # Nothing public leads from a connection to its transport, nor to the errors that redis-py makes of replies.
        self._replies = hiredis.Reader(
            protocolError=exceptions.InvalidResponse,
            replyError=connection._parser.parse_error,  # noqa: SLF001 - as above
            notEnoughData=_NOTHING,
        )
        self._transport: asyncio.Transport = connection._writer.transport  # noqa: SLF001 - as above
        self._of_redis_py: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether the server has not hung up, as far as is known."""
        return not self._transport.is_closing()

    def send(self, words: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Send a command now. Its reply, an error of redis-py where that is one, or `InDoubt`. Who no longer waits for
        it may cancel it."""
        packed = hiredis.pack_command(words)
        reply = self._loop.create_future()
        self._waiting.append((reply, self._loop.time() + DEADLINE_SECONDS))
        if self._alarm is None:
            self._alarm = self._loop.call_later(DEADLINE_SECONDS, self._look)
        self._transport.write(packed)
        return reply

    async def settled(self) -> None:
        """Wait until everything that was sent is answered, or past its deadline."""
        if self._waiting:
            await asyncio.wait([reply for reply, _ in self._waiting])

    def _look(self) -> None:
        """One alarm for all, since setting one for each call costs as much as sending it."""
        self._alarm = None
        if self._waiting:
            left = self._waiting[0][1] - self._loop.time()
            if left > 0:
                self._alarm = self._loop.call_later(left, self._look)
            else:
                self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        """Give up the connection: nobody's reply can be told from another's any more."""
        self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for reply, _ in waiting:
            if not reply.done():
                reply.set_exception(InDoubt(translated(error, self._location)))

    # --- what the loop tells ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        self._replies.feed(data)
        try:
            while (told := self._replies.gets()) is not _NOTHING:
                if isinstance(told, hiredis.PushNotification):
                    continue  # nobody's reply
                reply, _ = self._waiting.popleft()
                if reply.done():  # cancelled
                    continue
                if isinstance(told, Exception):
                    reply.set_exception(told)
                else:
                    reply.set_result(told)
        except (exceptions.RedisError, IndexError) as error:  # no reply, or one that nobody asked for
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything that waits is in doubt. Who closes by redis-py waits for what it hears by its own protocol."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._fail(exc or exceptions.ConnectionError("Connection closed by server."))
        self._of_redis_py.connection_lost(exc)


class Pipeline:
    """Connects when it is first used, and anew after a failure."""

    def __init__(self, server: RedisConnection) -> None:
        self._server = server
        self._stack = AsyncExitStack()
        self._connection: Any = None
        self._wire: Wire | None = None
        self._turn = asyncio.Lock()

    @property
    def wire(self) -> Wire | None:
        """The connection, None where there is none just now."""
        return self._wire if self._wire is not None and self._wire.is_open else None

    async def connected(self) -> Wire:
        """The connection, made where there is none. Raises `BackendError`."""
        async with self._turn:
            if (wire := self.wire) is not None:
                return wire
            with self._server.translating():
                async with asyncio.timeout(DEADLINE_SECONDS):
                    if self._connection is None:
                        client = await self._stack.enter_async_context(self._server.apart())
                        pool: Any = client.connection_pool
                        self._connection = pool.make_connection()
                    await self._connection.disconnect(nowait=True)
                    await self._connection.connect()
            self._wire = Wire(self._connection, self._server.location)
            return self._wire

    async def close(self) -> None:
        """Wait for what is under way, and close the connection. Idempotent."""
        async with self._turn:
            if self._wire is not None:
                await self._wire.settled()
            connection, self._connection, self._wire = self._connection, None, None
            with self._server.translating():
                if connection is not None:
                    await connection.disconnect()
                await self._stack.aclose()
