"""Hearing a channel of the server, on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from omnidaemon.adapters.redis.cancelling import cancelled
from omnidaemon.adapters.redis.connection import RedisConnection
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
        async with connection.apart() as client:
            with connection.translating():
                ear = client.pubsub()
                async with asyncio.timeout(connection.deadline_seconds):
                    await ear.subscribe(self._channel)
                is_asked = False
                while True:
                    told = await ear.get_message(timeout=_SILENCE_SECONDS)
                    if told is not None:
                        is_asked = False
                        if told["type"] != "pong":
                            self._heard(told["data"] if told["type"] == "message" else None)
                    elif is_asked:
                        raise TimeoutError("no answer to a ping")
                    else:
                        async with asyncio.timeout(connection.deadline_seconds):
                            await ear.ping()
                        is_asked = True
