"""Calls over one connection, one after the other: each is written at once, and its reply wakes whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.asyncio as redis
from redis import exceptions

from omnidaemon.adapters.redis.takeover import NOTHING, Takeover


class Wire(Takeover):
    """A call that is cancelled or runs out of time closes the connection, so that no reply reaches another call."""

    def __init__(self, connection: redis.Connection) -> None:
        super().__init__(connection)
        self._is_asked = False
        self._reply: Any = NOTHING
        self._waiter: asyncio.Future[None] | None = None
        self._ends_at = 0.0

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last call was sent, and nothing came back."""
        return self._is_asked

    @property
    def is_waiting(self) -> bool:
        """Whether there is no reply yet to what was sent, and one may come."""
        return self._is_asked and self._reply is NOTHING and self._failure is None

    async def call(self, words: Sequence[Any] | bytes, ends_at: float, many: int = 1) -> Any:
        """The reply to a command, by this time of the loop's clock. A reply that is an error is raised. Of several
        commands, which come packed, the reply to the last, or the first error."""
        self.send(words, ends_at, many)
        try:
            return await self.reply()
        except asyncio.CancelledError:
            self._fail(exceptions.ConnectionError("A call was cancelled."))
            raise

    def send(self, words: Sequence[Any] | bytes, ends_at: float, many: int = 1) -> None:
        """The first half of a call. `reply()` has to follow."""
        packed = words if isinstance(words, bytes) else hiredis.pack_command(tuple(words))
        self._is_asked, self._before = True, many - 1
        self._ends_at = ends_at
        self._watch(ends_at)
        self._transport.write(packed)

    async def reply(self) -> Any:
        """The second half; when it is cancelled, the reply is there for the next one."""
        while self._reply is NOTHING:
            if self._failure is not None:
                raise self._failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        reply, self._reply, self._is_asked = self._reply, NOTHING, False
        if isinstance(reply, Exception):
            if not isinstance(reply, exceptions.ResponseError):  # as redis-py has it: such as a server that is loading
                self._fail(reply)
            raise reply
        return reply

    def _take(self, reply: Any) -> None:
        if self.is_waiting:
            self._reply, self._refusal = self._refusal or reply, None
            self._wake()
            if not self._reader.has_data():
                return
        self._fail(exceptions.ConnectionError("The server said something unasked."))

    def _first_end(self) -> float | None:
        return self._ends_at if self.is_waiting else None

    def _has_failed(self, failure: Exception) -> None:  # noqa: ARG002 - `reply()` raises it
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
