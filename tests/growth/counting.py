"""What a call costs a store, counted: never in time."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import apsw
import attrs
import redis

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.sqlite import sqlite_storage
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from tests.growth.operations import Operation
from tests.growth.walking import walked


@attrs.frozen
class Cost:
    """Of one call. `calls` are what is sent: commands of Redis, those inside of scripts included, or statements of
    SQLite. `work` is what they come to: bytes that the server answers, or steps of SQLite's virtual machine. `scans`
    are rows that SQLite read without an index; `walked` elements that Redis went through inside of its commands, by
    command and kind of key. `parts` says where: steps by statement, calls by command."""

    calls: int
    work: int
    scans: int = 0
    parts: Mapping[str, int] = attrs.field(factory=dict)
    walked: Mapping[str, int] = attrs.field(factory=dict)


class CostCounter(Protocol):
    """Counts what one storage costs."""

    name: str
    work: str

    async def cost_of(self, operation: Operation) -> Cost:
        """Of one call; after one that was not counted, which leaves caches as they are in daily use."""

    async def longest_step_of(self, operation: Operation) -> int:
        """How much of its work everybody else has to wait for at once: the largest transaction of SQLite, in steps; of
        Redis the commands for each script, on average."""


class Statement(NamedTuple):
    """One execution of a statement: a row that is written by `executemany` is one too."""

    sql: str
    steps: int
    scans: int


class SqliteCounter:
    """By SQLite's own counters, over every connection that is opened meanwhile."""

    name = "SQLite"
    work = "steps"

    def __init__(self) -> None:
        self.seen: list[Statement] = []
        """What was executed, oldest first; whoever counts empties it."""

    async def cost_of(self, operation: Operation) -> Cost:
        await operation()
        self.seen.clear()
        await operation()
        # What opens and closes a transaction is not counted: a write shares its own with whoever writes beside it.
        inner = [each for each in self.seen if each.sql.split()[0] not in FRAME]
        parts: Counter[str] = Counter()
        for each in inner:
            parts[each.sql] += each.steps
        return Cost(len(inner), sum(parts.values()), sum(each.scans for each in inner), parts)

    async def longest_step_of(self, operation: Operation) -> int:
        self.seen.clear()
        await operation()
        longest = current = 0
        for each in self.seen:
            current = 0 if each.sql.startswith("BEGIN") else current + each.steps
            longest = max(longest, current)
        return longest

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear of every statement."""
        apsw.connection_hooks.append(self._watch)
        try:
            yield
        finally:
            apsw.connection_hooks.remove(self._watch)

    def _watch(self, connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._note)

    def _note(self, event: dict[str, Any]) -> None:
        status = event["stmt_status"]
        sql = _ROWS.sub("", " ".join(event["sql"].split()))
        steps, scans = status["SQLITE_STMTSTATUS_VM_STEP"], status["SQLITE_STMTSTATUS_FULLSCAN_STEP"]
        self.seen.append(Statement(sql, steps, scans))


_ROWS: Final = re.compile(r"(?:\([?, ]+\), )+(?=\()")
"""All rows but the last of those that a statement takes at once: what it does is told without them."""

FRAME: Final = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"}
"""What statements begin with that only open and close transactions."""


class RedisCounter:
    """By the server's own counters; nobody else may use it meanwhile."""

    name = "Redis"
    work = "bytes"

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def cost_of(self, operation: Operation) -> Cost:
        await operation()
        commands, sent = self.commands(), self._sent()
        await operation()
        more_sent, spent = self._sent(), self.commands() - commands
        return Cost(sum(spent.values()), more_sent - sent, parts=spent, walked=await walked(self._client, operation))

    async def longest_step_of(self, operation: Operation) -> int:
        before = self.commands()
        await operation()
        spent = self.commands() - before
        return round(spent.total() / spent["evalsha"])

    def commands(self) -> Counter[str]:
        """How often each was called so far, by scripts too."""
        stats = self._client.info("commandstats")
        counts = Counter({name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()})
        return Counter({name: count for name, count in counts.items() if name not in _OWN})

    def _sent(self) -> int:
        # The counting's own answers are in it too, as many each time.
        sent: int = self._client.info("stats")["total_net_output_bytes"]
        return sent


_OWN: Final = {"info", "ping", "hello"}


@asynccontextmanager
async def counted_sqlite(place: Place) -> AsyncIterator[tuple[Storage, SqliteCounter]]:
    """A storage in a file of this place, and what counts it."""
    counter = SqliteCounter()
    with counter.watching():
        async with sqlite_storage(place.context()) as storage:
            yield storage, counter


@asynccontextmanager
async def counted_redis(place: Place, url: str) -> AsyncIterator[tuple[Storage, RedisCounter]]:
    """A storage on this server, which is nobody else's, and what counts it."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        async with redis_storage(place.context()) as storage:
            yield storage, RedisCounter(client)


def place_in(folder: Path, url: str = "") -> Place:
    """Where the data of one measurement are."""
    return Place(data_dir=folder, clock=SystemClock(), codec=JsonCodec(), options={"REDIS_URL": url})
