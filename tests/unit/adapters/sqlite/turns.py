"""Turns of the loop: for tests of what happens between its calls and the database's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def settled(until: Callable[[], object]) -> None:
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(10):
        while not until():  # noqa: ASYNC110 - threads and descriptors set no event
            await asyncio.sleep(0.001)


async def queued(calls: Iterable[Coroutine[Any, Any, T]]) -> list[asyncio.Task[T]]:
    """Start calls, and let each of them get into the writer's line."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    return tasks
