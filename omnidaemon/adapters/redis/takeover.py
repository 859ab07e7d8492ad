"""Connections that redis-py has made, and on which replies are read here."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import hiredis
import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.connection import DefaultParser

NOTHING: Final = object()
"""In place of a reply that is not there yet."""


class Takeover(asyncio.Protocol, ABC):
    """Takes over a connection. redis-py knows of addresses, TLS, users and passwords; but each of its calls is dozens
    of steps in Python, with a timer of its own."""

    def __init__(self, connection: redis.Connection) -> None:
        self._connection = connection
        writer: Any = connection._writer  # noqa: SLF001 - nothing public gives the transport
        self._transport: asyncio.Transport = writer.transport
        self._former = self._transport.get_protocol()
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=DefaultParser.parse_error, notEnoughData=NOTHING
        )
        self._failure: Exception | None = None
        self._before = 0
        self._refusal: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether another call may be made: the server has neither hung up nor said anything unasked."""
        return self._failure is None

    async def given_back(self) -> redis.Connection:
        """The connection, which is redis-py's again; closed, if it was not open. No call can be made after."""
        self._stop_watching()
        self._transport.set_protocol(self._former)
        was_open, self._failure = self.is_open, self._failure or exceptions.ConnectionError("The connection is closed.")
        self._has_failed(self._failure)
        if not was_open:
            await self._connection.disconnect(nowait=True)
        return self._connection

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        await (await self.given_back()).disconnect()

    # --- what each kind does its own way ------------------------------------------------------------------------------

    @abstractmethod
    def _take(self, reply: Any) -> None:
        """A reply has come; an error of redis-py is one too."""

    def _take_push(self, told: Sequence[Any]) -> None:
        """Something that is no reply has come. Nobody who only calls has asked for any."""

    @abstractmethod
    def _first_end(self) -> float | None:
        """By when the first reply has to be there that is waited for; None when none is."""

    @abstractmethod
    def _has_failed(self, failure: Exception) -> None:
        """No reply will come any more."""

    # --- called by the loop -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not NOTHING:
                if self._before and type(reply) is bytes:  # hundreds of which may come: as little for each as can be
                    self._before -= 1
                elif isinstance(reply, hiredis.PushNotification):
                    self._take_push(reply)
                elif self._before:
                    self._before -= 1
                    if isinstance(reply, Exception) and self._refusal is None:
                        self._refusal = reply
                else:
                    self._take(reply)
        except exceptions.InvalidResponse as error:
            self._fail(error)

    def eof_received(self) -> None:
        self._fail(exceptions.ConnectionError("Connection closed by server."))

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f" {exc}" if exc else ""
        self._fail(exceptions.ConnectionError(f"The connection is lost.{reason}"))
        self._former.connection_lost(exc)

    def _look(self) -> None:
        self._timer = None
        ends_at = self._first_end()
        if ends_at is None:
            return
        if self._loop.time() < ends_at:
            self._watch(ends_at)
        else:
            self._fail(TimeoutError())

    def _watch(self, ends_at: float) -> None:
        # Most replies come long before: so the timer stays for the calls to come, and looks whose time is up.
        if self._timer is None or self._timer.when() > ends_at:
            self._stop_watching()
            self._timer = self._loop.call_at(ends_at, self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
            self._stop_watching()
            self._transport.abort()
            self._has_failed(failure)
