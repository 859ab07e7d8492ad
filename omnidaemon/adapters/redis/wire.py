"""Calls over one connection, one after the other: each is written at once, and its reply wakes whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.connection import DefaultParser

_NOTHING: Final = object()


class Wire(asyncio.Protocol):
    """Takes over a connection that redis-py has made. That knows of addresses, TLS, users and passwords; but each of
    its calls is dozens of steps in Python, with a timer of its own.

    A call that is cancelled or runs out of time closes the connection, so that no reply reaches another call.
    """

    def __init__(self, connection: redis.Connection) -> None:
        self._connection = connection
        writer: Any = connection._writer  # noqa: SLF001 - nothing public gives the transport
        self._transport: asyncio.Transport = writer.transport
        self._former = self._transport.get_protocol()
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=_NOTHING
        )
        self._is_asked = False
        self._reply: Any = _NOTHING
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._ends_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether another call may be made: the server has neither hung up nor said anything unasked."""
        return self._failure is None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last call was sent, and nothing came back."""
        return self._is_asked

    @property
    def is_waiting(self) -> bool:
        """Whether there is no reply yet to what was sent, and one may come."""
        return self._is_asked and self._reply is _NOTHING and self._failure is None

    async def call(self, words: Sequence[Any], ends_at: float) -> Any:
        """The reply to a command, by this time of the loop's clock. A reply that is an error is raised."""
        self.send(words, ends_at)
        try:
            return await self.reply()
        except asyncio.CancelledError as error:
            self._fail(error)
            raise

    def send(self, words: Sequence[Any], ends_at: float) -> None:
        """The first half of a call. `reply()` has to follow."""
        packed = hiredis.pack_command(tuple(words))
        self._is_asked = True
        self._ends_at = ends_at
        # Most replies come long before: so the timer stays for the calls to come, and looks whose time is up.
        if self._timer is None or self._timer.when() > ends_at:
            self._watch()
        self._transport.write(packed)

    async def reply(self) -> Any:
        """The second half; when it is cancelled, the reply is there for the next one."""
        while self._reply is _NOTHING:
            if self._failure is not None:
                raise self._failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        reply, self._reply, self._is_asked = self._reply, _NOTHING, False
        if isinstance(reply, Exception):
            if not isinstance(reply, exceptions.ResponseError):  # as redis-py has it: such as a server that is loading
                self._fail(reply)
            raise reply
        return reply

    async def given_back(self) -> redis.Connection:
        """The connection, which is redis-py's again; closed, if it was not open. No call can be made after."""
        self._stop_watching()
        self._transport.set_protocol(self._former)
        if self._failure is not None:
            await self._connection.disconnect(nowait=True)
        self._failure = self._failure or exceptions.ConnectionError("The connection is closed.")
        return self._connection

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        await (await self.given_back()).disconnect()

    # --- called by the loop -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            reply = self._reader.gets()
            while isinstance(reply, hiredis.PushNotification):  # which nobody here has asked for
                reply = self._reader.gets()
        except exceptions.InvalidResponse as error:
            self._fail(error)
            return
        if reply is _NOTHING:
            return
        if not self.is_waiting:
            self._fail(exceptions.ConnectionError("The server said something unasked."))
        else:
            self._reply = reply
            self._wake()

    def eof_received(self) -> None:
        self._fail(exceptions.ConnectionError("Connection closed by server."))

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f" {exc}" if exc else ""
        self._fail(exceptions.ConnectionError(f"The connection is lost.{reason}"))
        self._former.connection_lost(exc)

    def _look(self) -> None:
        self._timer = None
        if not self.is_waiting:
            return
        if self._loop.time() < self._ends_at:
            self._watch()
        else:
            self._fail(TimeoutError())

    def _watch(self) -> None:
        self._stop_watching()
        self._timer = self._loop.call_at(self._ends_at, self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, failure: BaseException) -> None:
        if self._failure is None:
            self._failure = failure
            self._stop_watching()
            self._transport.abort()
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
