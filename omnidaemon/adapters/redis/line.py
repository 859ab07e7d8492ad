"""One connection of its own, for calls in a row: publications whose loss must be told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from omnidaemon.adapters.redis.connection import DEADLINE_SECONDS, RedisConnection, Script, script_called
from omnidaemon.adapters.redis.wire import Wire


class Line:
    """Connects when it is first used, and anew after a failure. One call at a time; one that is cancelled takes the
    connection along, and a reply that hands something out is lost with it."""

    def __init__(self, server: RedisConnection) -> None:
        self._server = server
        self._wire: Wire | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last call was sent, and nothing came back."""
        return self._wire is not None and self._wire.is_in_doubt

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a script, in one round trip unless the server has yet to learn it."""
        ends_at = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        with self._server.translating():
            wire = self._wire
            if wire is None or not wire.is_open:
                async with asyncio.timeout_at(ends_at):
                    await self.close()
                    wire = self._wire = await self._server.wire()
            return await script_called(wire, script, keys, args, ends_at)

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        wire, self._wire = self._wire, None
        if wire is not None:
            with self._server.translating():
                await wire.close()
