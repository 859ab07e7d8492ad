"""Hearing a channel of the server, on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
import redis.asyncio as redis

from omnidaemon.adapters.redis.cancelling import cancelled
from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.takeover import Takeover
from omnidaemon.domain.errors import BackendError

_SILENCE_SECONDS: Final = 10.0
"""After so long without a word the server is asked for one: a half-open connection stays silent for ever."""

_RETRY_SECONDS: Final = 1.0

Heard = Callable[[bytes | None], None]
"""Called with what each message says, and with None whenever listening has begun: before that, some may have been
missed."""


class Ear:
    """Listens until it is closed, anew after each break. Who hears nothing still looks from time to time."""

    def __init__(self, connection: RedisConnection, channel: str, heard: Heard) -> None:
        self._connection = connection
        self._channel = channel
        self._heard = heard
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, soon, on the running loop. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name=f"redis ear of {self._channel}")

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        task, self._task = self._task, None
        await cancelled(task)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(BackendError):
                await self._hear()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _hear(self) -> None:
        connection = self._connection
        with connection.translating():
            async with asyncio.timeout(connection.deadline_seconds):
                hearing = Hearing(await connection.connection(), self._heard)
            try:
                await hearing.listen(self._channel, connection.deadline_seconds)
            finally:
                await hearing.close()


class Hearing(Takeover):
    """A connection that messages come over. Each is passed on as it arrives, in the same turn of the loop: those who
    wait for a result wait for this."""

    def __init__(self, connection: redis.Connection, heard: Heard) -> None:
        super().__init__(connection)
        self._heard = heard
        self._has_spoken = asyncio.Event()
        self._is_over = asyncio.Event()

    async def listen(self, channel: str, deadline_seconds: float) -> None:
        """Pass on what is said on the channel; raises once the connection is lost, or when the server does not answer
        within the deadline."""
        await self._asked(deadline_seconds, "SUBSCRIBE", channel)
        while True:
            await self._silent()
            await self._asked(deadline_seconds, "PING")

    async def _asked(self, deadline_seconds: float, *words: Any) -> None:
        """Say this; whatever comes then will do for an answer."""
        if self._failure is None:
            self._has_spoken.clear()
            self._transport.write(hiredis.pack_command(words))
            async with asyncio.timeout(deadline_seconds):
                await self._has_spoken.wait()

    async def _silent(self) -> None:
        """Return once nothing was said for long."""
        while self._failure is None and self._has_spoken.is_set():
            self._has_spoken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._is_over.wait()
        if self._failure is not None:
            raise self._failure

    def _take(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._fail(reply)
        elif isinstance(reply, list):  # as the older protocol has it
            self._take_push(reply)
        else:
            self._has_spoken.set()

    def _take_push(self, told: Sequence[Any]) -> None:
        self._has_spoken.set()
        match told:
            case [b"message", _, bytes(message)]:
                self._heard(message)
            case [b"subscribe", *_]:
                self._heard(None)
            case _:  # the answer to a ping, in the older protocol
                pass

    def _first_end(self) -> float | None:
        return None  # `listen()` sees to it

    def _has_failed(self, failure: Exception) -> None:  # noqa: ARG002 - `listen()` raises it
        self._has_spoken.set()
        self._is_over.set()
