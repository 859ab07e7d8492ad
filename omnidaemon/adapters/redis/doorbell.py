"""Hints between processes: a channel of the server, heard on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.domain.errors import BackendError
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import Wakeups

_SILENCE_SECONDS: Final = 10.0
"""After so long without a word the server is asked for one: a half-open connection stays silent for ever."""

_RETRY_SECONDS: Final = 1.0


class Doorbell:
    """Rings for all listeners of this process. Opening never fails: who hears nothing still looks from time to time."""

    def __init__(self, connection: RedisConnection, channel: str, clock: Clock) -> None:
        self._connection = connection
        self._channel = channel
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen; what is rung from now on is heard."""
        self._task = asyncio.create_task(self._listen(), name="redis doorbell")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._connection.deadline_seconds):
                await self._listening.wait()

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._ring()

    def listen(self) -> Listener:
        """A listener for the running loop; close it after use."""
        listener = Listener(self._listeners, self._clock)
        self._listeners.add(listener)
        return listener

    async def _listen(self) -> None:
        while True:
            # After a break something may have been missed, so everybody looks once more when it is over.
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
                            self._listening.set()
                            self._ring()
                    elif is_asked:
                        raise TimeoutError("no answer to a ping")
                    else:
                        async with asyncio.timeout(connection.deadline_seconds):
                            await ear.ping()
                        is_asked = True

    def _ring(self) -> None:
        for listener in tuple(self._listeners):
            listener.notify()


class Listener(Wakeups):
    """One ear of this process."""

    def __init__(self, listeners: set[Listener], clock: Clock) -> None:
        self._listeners = listeners
        self._clock = clock
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Called for each hint."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        heard = await self._clock.wait(self._event, seconds)
        self._event.clear()
        return heard

    def close(self) -> None:
        self._listeners.discard(self)
        self._event.set()
