"""Waiting for something to come into any of several queues, so that it can be woken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from redis import exceptions

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.wire import Wire
from omnidaemon.domain.errors import BackendError

_LONGEST_BLOCK_SECONDS: Final = 1.0
_WAKE_AGAIN_SECONDS: Final = 0.01
_GONE: Final = ("NOGROUP", "UNBLOCKED")

Entries = dict[bytes, list[Any]]
"""By queue."""


class QueuesGone(Exception):
    """One of the queues is not there; whoever reads has to look why."""


class BlockingReader:
    """On a connection of its own. A read is never cancelled, but ended by the server when asked to on another one: it
    goes on when its caller is cancelled, and what it brings is there for the next call."""

    def __init__(self, server: RedisConnection, group: str, consumer: str) -> None:
        self._server = server
        self._words = ("XREADGROUP", "GROUP", group, consumer)
        self._wire: Wire | None = None
        self._client_id: int | None = None
        self._reads = 0
        self._woken = 0
        self._is_reading = False
        self._is_awaited = False
        self._returned: asyncio.Event | None = None
        self._waking: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a read was begun that nobody has the entries of yet."""
        return self._wire is not None and self._wire.is_open and self._wire.is_in_doubt

    async def read(self, queues: Sequence[str], count: int, seconds: float) -> Entries:
        """The entries of each queue that has any, up to `count` of each; none after some time, at most a second. What a
        read that is under way brings comes first, instead."""
        self._is_awaited = True
        try:
            with self._server.translating():
                wire = self._wire
                if wire is None or not self.is_under_way:
                    self._reads += 1
                    self._is_reading = True
                    wire = await self._begun(queues, count, max(1, int(min(seconds, _LONGEST_BLOCK_SECONDS) * 1000)))
                return await _entries_of(wire)
        finally:
            self._is_awaited = False
            self._is_reading = self.is_under_way
            if self._returned is not None:
                self._returned.set()

    async def rest(self) -> Entries:
        """What a read that is under way brings; nothing, where its caller has it."""
        if self._is_awaited:
            self._returned = asyncio.Event()
            await self._returned.wait()
        return await self.read((), 0, 0) if self.is_under_way else {}

    async def _begun(self, queues: Sequence[str], count: int, block: int) -> Wire:
        ends_at = asyncio.get_running_loop().time() + self._server.deadline_seconds
        wire = self._wire
        if wire is None or not wire.is_open:
            async with asyncio.timeout_at(ends_at):
                wire = await self._connected(ends_at)
        streams = (*queues, *[">"] * len(queues))
        wire.send((*self._words, "COUNT", count, "BLOCK", block, "STREAMS", *streams), ends_at)
        return wire

    async def _connected(self, ends_at: float) -> Wire:
        await self._disconnect()
        wire = await self._server.wire()
        try:
            self._client_id = await wire.call(("CLIENT", "ID"), ends_at)
        except BaseException:
            await wire.close()
            raise
        self._wire = wire
        return wire

    def wake(self) -> None:
        """Have a read under way return soon."""
        if self._is_reading:
            self._woken = self._reads
            if self._waking is None or self._waking.done():
                self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        # What keeps this from the server is said by the read itself; and that is over within a second anyhow.
        with contextlib.suppress(BackendError):
            # The server may hear of it before it has the read; then it has to be told again.
            while self._is_reading and self._reads == self._woken and (self._wire is None or self._wire.is_waiting):
                if self._client_id is not None:
                    await self._server.command("CLIENT", "UNBLOCK", self._client_id)
                await asyncio.sleep(_WAKE_AGAIN_SECONDS)

    async def close(self) -> None:
        """Close the connection, once no read is under way."""
        if self._waking is not None:
            await self._waking
        with self._server.translating():
            await self._disconnect()

    async def _disconnect(self) -> None:
        wire, self._wire, self._client_id = self._wire, None, None
        if wire is not None:
            await wire.close()


async def _entries_of(wire: Wire) -> Entries:
    try:
        return dict(await wire.reply() or ())
    except exceptions.ResponseError as error:
        if str(error).startswith(_GONE):
            raise QueuesGone from error
        raise
