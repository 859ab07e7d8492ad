"""Listening to channels: a connection that is known to be alive, and a bounded buffer for what comes over it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from redis import exceptions

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.domain.names import Subscription

_LOOK_SECONDS: Final = 2.0
_SILENCE_SECONDS: Final = 5.0
"""Nothing for so long is asked about by a PING; no answer for so long again is a dead connection."""

_MOST_MESSAGES: Final = 20_000
_MOST_BYTES: Final = 64 * 1024 * 1024


class Buffer:
    """What has come and was not taken, within bounds; what is beyond them is dropped and counted."""

    def __init__(self, channels: Mapping[bytes, Subscription]) -> None:
        self.channels = channels
        self.bell = asyncio.Event()
        self.dropped = 0
        self._queues: dict[Subscription, deque[bytes]] = {s: deque() for s in channels.values()}
        self._count = 0
        self._size_bytes = 0

    def put(self, channel: bytes, body: bytes) -> None:
        """Keep it if there is room."""
        if self._count >= _MOST_MESSAGES or self._size_bytes + len(body) > _MOST_BYTES:
            self.dropped += 1
        else:
            self._queues[self.channels[channel]].append(body)
            self._count += 1
            self._size_bytes += len(body)
        self.bell.set()

    def take(self, subscription: Subscription, most: int) -> list[bytes]:
        """The oldest, up to so many."""
        queue = self._queues.get(subscription, deque())
        bodies = [queue.popleft() for _ in range(min(most, len(queue)))]
        self._count -= len(bodies)
        self._size_bytes -= sum(map(len, bodies))
        return bodies


class Listening:
    """A subscriber's connection. A half-open one would be silent for ever, so silence is asked about."""

    def __init__(self, server: RedisConnection, buffer: Buffer, look: Callable[[], Awaitable[None]]) -> None:
        self._server = server
        self._buffer = buffer
        self._look = look
        self._stack = AsyncExitStack()
        self._pubsub: Any = None

    async def connect(self) -> None:
        """Return once every channel is listened to; raises when the server cannot be reached."""
        await self.disconnect()
        with self._server.translating():
            client = await self._stack.enter_async_context(self._server.apart())
            pubsub = client.pubsub()
            self._stack.push_async_callback(pubsub.aclose)
            async with asyncio.timeout(self._server.deadline_seconds):
                await pubsub.subscribe(*self._buffer.channels)
                missing = set(self._buffer.channels)
                while missing:
                    message = await pubsub.get_message(timeout=self._server.deadline_seconds)
                    if message is not None and message["type"] == "subscribe":
                        missing.discard(message["channel"])
                    else:
                        self._take_in(message)
        self._pubsub = pubsub

    async def disconnect(self) -> None:
        """Close the connection. Idempotent."""
        self._pubsub = None
        with self._server.translating():
            await self._stack.aclose()

    async def listen(self) -> None:
        """Put what comes into the buffer; raises once the connection is lost."""
        loop = asyncio.get_running_loop()
        heard_at = look_at = loop.time()
        asked_at: float | None = None
        with self._server.translating():
            while True:
                message = await self._pubsub.get_message(timeout=_LOOK_SECONDS) if self._pubsub else None
                now = loop.time()
                if message is not None:
                    self._take_in(message)
                    heard_at, asked_at = now, None
                elif self._pubsub is None or (asked_at is not None and now >= asked_at + _SILENCE_SECONDS):
                    raise exceptions.ConnectionError("the connection was lost")
                elif asked_at is None and now >= heard_at + _SILENCE_SECONDS:
                    asked_at = now
                    async with asyncio.timeout(self._server.deadline_seconds):
                        await self._pubsub.ping()
                if now >= look_at:
                    look_at = now + _LOOK_SECONDS
                    await self._look()

    def _take_in(self, message: Mapping[str, Any] | None) -> None:
        if message is not None and message["type"] == "message":
            self._buffer.put(message["channel"], message["data"])
