"""Removing a namespace from a server."""

from __future__ import annotations

from typing import Final

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.keys import prefix

_AT_ONCE: Final = 500


async def erase(server: RedisConnection, namespace: str) -> None:
    """In steps, so that nobody else waits for long. The server frees the memory beside its work."""
    cursor = 0
    while True:
        # A namespace is made of letters, digits, dots, dashes and underscores: nothing of it is a wildcard.
        cursor, keys = await server.command("SCAN", cursor, "MATCH", f"{prefix(namespace)}*", "COUNT", _AT_ONCE)
        if keys:
            await server.command("UNLINK", *keys)
        if not int(cursor):
            return
