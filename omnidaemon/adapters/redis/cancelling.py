"""Ending a task that listens, so that it ends for sure."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_AGAIN_SECONDS: Final = 0.1


async def cancelled(task: asyncio.Task[Any] | None) -> None:
    """Returns once the task has ended, if there is one. Raises nothing of the task's own."""
    # redis-py may swallow a cancellation, when it comes together with a reply.
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)
