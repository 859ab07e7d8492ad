"""A server's connections: opened with a deadline on every call, its errors translated, its scripts known by digest."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from omnidaemon.adapters.redis.address import VARIABLE, check_database, wrong_option
from omnidaemon.adapters.redis.faults import BACKEND, Translating, location_of, not_open
from omnidaemon.adapters.redis.wire import Wire
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.ports.backend import BackendContext

DEFAULT_URL: Final = "redis://127.0.0.1:6379/0"

_DEADLINE_SECONDS: Final = 5.0
_PART: Final = re.compile(r"^--! (\w+)$", re.MULTILINE)
_POOLED: Final = 16
_AT_HAND: Final = 8
_EVICTION_HINT: Final = "set `maxmemory-policy noeviction`: any other lets the server delete tasks when memory is short"


class Script:
    """A Lua script, called by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@cache
def packaged_script(name: str) -> Script:
    """The script of `lua/<name>.lua` in this package, read when it is first needed. A line `--! part` in it stands for
    `lua/part_<part>.lua`: what several scripts need, which a server cannot share between them."""
    return Script(_PART.sub(lambda line: _packaged(f"part_{line[1]}"), _packaged(name)))


def _packaged(name: str) -> str:
    return (files("omnidaemon.adapters.redis") / "lua" / f"{name}.lua").read_text()


class _Pool(redis.BlockingConnectionPool):
    """Whoever gives a connection back may be cancelled meanwhile, once more at that; it comes back all the same. Else
    the pool would take it for used for ever, and it has few."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._releasing: set[asyncio.Task[None]] = set()

    async def release(self, connection: Any) -> None:
        releasing = asyncio.ensure_future(super().release(connection))
        self._releasing.add(releasing)
        releasing.add_done_callback(self._releasing.discard)
        await asyncio.shield(releasing)


class RedisConnection:
    """A pool of connections to one server, of one event loop. Replies are bytes.

    A call that is cancelled or runs out of time closes its connection, so that no reply reaches another call; nothing
    is sent twice here, since only the caller knows whether that does harm. `deadline_seconds` is how long a call may
    take, waiting for a free connection included; who has a connection of its own keeps to it for each call there.
    """

    def __init__(self, url: str, *, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        self.url = url
        self.location = location_of(url)
        self.deadline_seconds = deadline_seconds
        self._translating = Translating(self.location)
        self._client: redis.Redis | None = None
        self._at_hand: list[Wire] = []

    def scope_of(self, namespace: str) -> str:
        """What names this namespace on this server, with these rights, to whoever compares; a digest, since the address
        may hold a password."""
        return hashlib.sha256(f"{self.url}\n{namespace}".encode()).hexdigest()

    async def open(self) -> None:
        """Connect, or say why not; a server that may delete tasks by itself is refused."""
        self._client = self._made(_Pool, _POOLED)
        try:
            # By INFO, which an ACL is more likely to allow than CONFIG.
            policy = (await self.info("memory")).get("maxmemory_policy", "")
            if policy not in ("noeviction", ""):
                reason = f"its maxmemory-policy is {policy}"
                raise BackendUnusable(BACKEND, self.location, reason, _EVICTION_HINT)  # noqa: TRY301 - as any failure
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection of the pool. Idempotent."""
        client, self._client = self._client, None
        self._at_hand.clear()  # the pool closes them
        if client is not None:
            with self.translating():
                await client.aclose()

    def translating(self) -> Translating:
        """Around any use of redis-py: its errors leave as those of the ports."""
        return self._translating

    # --- calls --------------------------------------------------------------------------------------------------------

    async def command(self, *words: Any) -> Any:
        """Send one command."""
        client = self._opened()
        with self.translating():
            async with asyncio.timeout(self.deadline_seconds):
                return await client.execute_command(*words)

    async def script(self, script: Script, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Run a script, in one round trip unless the server has yet to learn it."""
        return await self._over_a_wire(partial(_script_called, script=script, keys=keys, args=args))

    async def together(self, commands: bytes, many: int) -> Any:
        """What the last of some packed commands, `EXEC`, answers, in one round trip. The first error among them all is
        raised."""
        return await self._over_a_wire(partial(_executed, commands=commands, many=many))

    async def wire(self) -> Wire:
        """A connection of the caller's own, for calls in a row, who has to close it. Wrap what is done with it in
        `translating()`."""
        return Wire(await self.connection())

    async def connection(self) -> redis.Connection:
        """A connection of the caller's own, as redis-py makes it, likewise."""
        connection: Any = self._opened().connection_pool.make_connection()
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        made: redis.Connection = connection
        return made

    async def info(self, section: str) -> Mapping[str, str]:
        """What the server tells of itself."""
        client = self._opened()
        with self.translating():
            async with asyncio.timeout(self.deadline_seconds):
                told: Mapping[Any, Any] = await client.info(section)
        return {_text(name): _text(value) for name, value in told.items()}

    async def settings(self, *names: str) -> Mapping[str, str]:
        """Those of the server's settings that this user may read."""
        client = self._opened()
        with self.translating():
            async with asyncio.timeout(self.deadline_seconds):
                try:
                    told: Mapping[Any, Any] = await client.config_get(*names)
                except exceptions.ResponseError:  # not allowed, or, as with many a hoster, not there
                    return {}
        return {_text(name): _text(value) for name, value in told.items()}

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[redis.Redis]:
        """A client with a connection of its own, for blocking reads and listening, where only the caller knows how long
        to wait; while this is open. Wrap what is done with it in `translating()`."""
        self._opened()
        client = self._made(redis.ConnectionPool, 1)
        try:
            yield client
        finally:
            with self.translating():
                await client.aclose()

    # The pool takes a lock, tells its telemetry and looks for news on the socket, each time. So a few connections stay
    # at hand between scripts, as in use for the pool.

    async def _over_a_wire(self, call: Callable[[Wire, float], Awaitable[Any]]) -> Any:
        """What is answered in time over a connection that goes back to where it came from."""
        client = self._opened()
        ends_at = asyncio.get_running_loop().time() + self.deadline_seconds
        with self._translating:
            wire = await self._taken(client, ends_at)
            try:
                return await call(wire, ends_at)
            finally:
                # One that failed or was cancelled is closed by now: the pool makes it anew.
                if wire.is_open and client is self._client and len(self._at_hand) < _AT_HAND:
                    self._at_hand.append(wire)
                else:
                    await client.connection_pool.release(await wire.given_back())

    async def _taken(self, client: redis.Redis, ends_at: float) -> Wire:
        pool: Any = client.connection_pool
        while self._at_hand:
            wire = self._at_hand.pop()
            if wire.is_open:
                return wire
            await pool.release(await wire.given_back())
        async with asyncio.timeout_at(ends_at):
            return Wire(await pool.get_connection())

    def _opened(self) -> Any:  # redis-py's commands are half typed, and none returns what its stub says
        if self._client is None:
            raise not_open(self.location)
        return self._client

    def _made(self, kind: type[redis.ConnectionPool], most: int) -> redis.Redis:
        more: dict[str, Any] = {"timeout": self.deadline_seconds} if kind is _Pool else {}
        if not self.url.startswith("unix:"):  # which knows no such thing
            more["socket_keepalive"] = True
        try:
            check_database(self.url)
            pool: Any = kind.from_url(
                self.url,
                max_connections=most,
                # With one, redis-py sends by asyncio.wait_for, which before Python 3.12 may swallow a cancellation.
                socket_timeout=None,
                socket_connect_timeout=self.deadline_seconds,
                # A dead pooled connection is noticed when it is taken from the pool, and made anew.
                retry=Retry(NoBackoff(), 0),
                decode_responses=False,
                # With notices of a managed service switched on, a dead pooled connection would not be noticed.
                maint_notifications_config=MaintNotificationsConfig(enabled=False),
                **more,
            )
            pool.make_connection()  # which looks at the options, and does not connect yet
        except (ValueError, TypeError, exceptions.RedisError) as error:
            raise wrong_option(self.url, error) or BackendUnusable(
                BACKEND, self.location, "this is no address of a Redis server", f"such as {DEFAULT_URL}"
            ) from error
        return redis.Redis.from_pool(pool)


async def _script_called(
    wire: Wire, ends_at: float, *, script: Script, keys: Sequence[Any], args: Sequence[Any]
) -> Any:
    """What a script answers, in one round trip unless the server has yet to learn it."""
    try:
        return await wire.call(("EVALSHA", script.digest, len(keys), *keys, *args), ends_at)
    except exceptions.NoScriptError:
        return await wire.call(("EVAL", script.text, len(keys), *keys, *args), ends_at)


async def _executed(wire: Wire, ends_at: float, *, commands: bytes, many: int) -> Any:
    replies = await wire.call(commands, ends_at, many)
    for reply in replies:  # of what was queued, each has its own
        if isinstance(reply, exceptions.RedisError):
            raise reply
    return replies


def _text(told: Any) -> str:
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def url_of(context: BackendContext, chosen: str | None = None) -> str:
    """The server's address: as a program names it, else as the settings do."""
    return chosen or context.option(VARIABLE) or DEFAULT_URL
