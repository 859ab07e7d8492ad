"""Of which version a namespace's data are: said with the first of them, and asked for as long as there are none."""

from __future__ import annotations

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.adapters.redis.forms import SCHEMA
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.domain.errors import BackendUnusable


class SchemaVersion:
    """Whoever only reads leaves nothing behind. So a namespace without a version is anybody's: it gets one before the
    first write, and until it `is_known`, what was read is believed only after `look()`, since another version may have
    written meanwhile. Every version writes its number before anything else, so what is read before one is there was
    written by none. Who knows it asks no more: where somebody else erases the namespace under a process that goes on,
    the version is missing until a worker's next heartbeat says it anew."""

    def __init__(self, server: RedisConnection, keys: Keys) -> None:
        self._server = server
        self._keys = keys
        self.is_known = False

    async def look(self) -> None:
        """Refuse data of another version, those too that have just been read."""
        self._judge(await self._server.command("GET", self._keys.of("schema")))

    async def claim(self) -> None:
        """Say of which version the data will be, where nobody has; refuse those of another one."""
        await self._server.command("SET", self._keys.of("schema"), SCHEMA, "NX")
        await self.look()

    def forget(self) -> None:
        """The data are gone, and their version with them."""
        self.is_known = False

    def _judge(self, found: bytes | None) -> None:
        if found is None:
            return
        if found != str(SCHEMA).encode():
            version = found.decode(errors="replace")
            reason = f"the data of {self._keys.prefix} is of version {version}, this program knows {SCHEMA}"
            is_older = version.isdigit() and int(version) < SCHEMA
            hint = "choose another OMNIDAEMON_NAMESPACE" if is_older else "install a newer omnidaemon"
            raise BackendUnusable(BACKEND, self._server.location, reason, hint)
        self.is_known = True
