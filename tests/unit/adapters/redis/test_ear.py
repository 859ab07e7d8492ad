"""Hearing a channel: it ends when it is told to, whatever is on its way just then."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import cast

import pytest

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.ear import Ear


class Stubborn:
    """A connection on which no message comes; the first cancellation of a wait for one is swallowed."""

    deadline_seconds = 1.0

    def __init__(self, takes_to_close: asyncio.Event) -> None:
        self.is_heard = asyncio.Event()
        self._takes_to_close = takes_to_close

    @contextlib.asynccontextmanager
    async def apart(self):
        try:
            yield SimpleNamespace(pubsub=lambda: self)
        finally:
            await self._takes_to_close.wait()

    def translating(self):
        return contextlib.nullcontext()

    async def subscribe(self, channel):
        assert channel == "bell"

    async def get_message(self, timeout):
        if self.is_heard.is_set():
            await asyncio.sleep(timeout)
        self.is_heard.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(timeout)


@pytest.fixture
def may_close() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
async def ear(may_close: asyncio.Event):
    connection = Stubborn(may_close)
    ear = Ear(cast("RedisConnection", connection), "bell", lambda _: None)
    ear.start()
    async with asyncio.timeout(5):
        await connection.is_heard.wait()
    return ear


async def test_it_ends_though_a_cancellation_is_swallowed(ear: Ear, may_close: asyncio.Event):
    """As redis-py may do."""
    may_close.set()
    async with asyncio.timeout(5):
        await ear.close()
    assert not [task for task in asyncio.all_tasks() if "ear" in task.get_name()]


async def test_who_is_cancelled_while_it_closes_hears_of_it(ear: Ear, may_close: asyncio.Event):
    """It is not taken for the end of the listening."""
    closing = asyncio.create_task(ear.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    may_close.set()
