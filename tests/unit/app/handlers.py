"""Handlers that do not end by themselves."""

from __future__ import annotations

import asyncio
import threading

from omnidaemon.app.context import Context


class Sleeper:
    """An async handler that waits until it is cancelled, and says when it began."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, payload: object) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


class Blocker:
    """A plain handler that holds its thread until it is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.saw_cancellation = False

    def __call__(self, payload: object, ctx: Context) -> str:
        self.began.set()
        assert self.let_go.wait(5)
        self.saw_cancellation = ctx.cancelled
        return "done"


async def has_begun(handler: Blocker) -> None:
    """Wait until the handler is in its thread."""
    await asyncio.to_thread(handler.began.wait, 5)
    assert handler.began.is_set()


class Gated:
    """An async handler that notes what it began with, and returns it once it is let go."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.let_go = asyncio.Event()

    async def __call__(self, payload: object) -> object:
        self.seen.append(payload)
        await self.let_go.wait()
        return payload
