"""Waiting in tests: look again until it is so, for a bounded time, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_SECONDS = 0.005


async def eventually(
    look: Callable[[], Awaitable[T]],
    is_wanted: Callable[[T], object] = bool,
    within_seconds: float = 10.0,
    pause_seconds: float = _PAUSE_SECONDS,
) -> T:
    """What `look` gave once it was as wanted; an AssertionError with the last answer when it never was in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while True:
        seen = await look()
        if is_wanted(seen):
            return seen
        if loop.time() >= deadline:
            raise AssertionError(f"not so within {within_seconds:g} s; the last answer was {seen!r}")
        await asyncio.sleep(pause_seconds)
