"""Waiting for something to come into any of several queues, so that it can be woken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from redis import exceptions

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.line import Line
from omnidaemon.domain.errors import BackendError

_LONGEST_BLOCK_SECONDS: Final = 1.0
_WAKE_AGAIN_SECONDS: Final = 0.01
_GONE: Final = ("NOGROUP", "UNBLOCKED")


class QueuesGone(Exception):
    """One of the queues is not there; whoever reads has to look why."""


class BlockingReader:
    """A blocking read is never cancelled, but ended by the server when asked to on another connection."""

    def __init__(self, server: RedisConnection, group: str, consumer: str) -> None:
        self._server = server
        self._line = Line(server, asks_for_id=True)
        self._words = ("XREADGROUP", "GROUP", group, consumer)
        self._over = asyncio.Event()
        self._over.set()
        self._waking: asyncio.Task[None] | None = None

    async def read(self, queues: Sequence[str], count: int, seconds: float) -> dict[bytes, list[Any]]:
        """The entries of each queue that has any, up to `count` of each; none after some time, at most a second."""
        block = max(1, int(min(seconds, _LONGEST_BLOCK_SECONDS) * 1000))
        streams = (*queues, *[">"] * len(queues))
        self._over = over = asyncio.Event()
        try:
            reply = await self._line.command(*self._words, "COUNT", count, "BLOCK", block, "STREAMS", *streams)
        except BackendError as error:
            if isinstance(error.__cause__, exceptions.ResponseError) and str(error.__cause__).startswith(_GONE):
                raise QueuesGone from error
            raise
        finally:
            over.set()
        return dict(reply or ())

    def wake(self) -> None:
        """Have a read under way return soon."""
        if not self._over.is_set() and (self._waking is None or self._waking.done()):
            self._waking = asyncio.create_task(self._wake(self._over))

    async def _wake(self, over: asyncio.Event) -> None:
        # What keeps this from the server is said by the read itself; and that is over within a second anyhow.
        with contextlib.suppress(BackendError):
            # The server may hear of it before it has the read; then it has to be told again.
            while not over.is_set():
                if self._line.client_id is not None:
                    await self._server.command("CLIENT", "UNBLOCK", self._line.client_id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WAKE_AGAIN_SECONDS):
                        await over.wait()

    async def close(self) -> None:
        """Close the connection, once no read is under way."""
        if self._waking is not None:
            await self._waking
        await self._line.close()
