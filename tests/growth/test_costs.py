"""What a task costs bus and store on its whole way, counted: commands, statements, round trips, bytes, calls of Python.

Each bound is a little above what was counted when it was set. Whoever passes one reads which part has grown; whoever
makes something cheaper lowers the bound.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import pytest
import redis

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.sqlite import sqlite_bus, sqlite_storage
from tests.growth.counting import FRAME, RedisCounter, SqliteCounter, place_in
from tests.growth.cycle import BATCH, Cycle, cycle_of
from tests.servers.call_count import CallCount
from tests.servers.redis_servers import PrivateRedis, binary

BATCHES = 10
TASKS = BATCHES * BATCH

REDIS_COMMANDS = 7
"""For each task, those inside of scripts included."""
REDIS_COMMANDS_OF_ONE = 50
"""For a task that comes alone."""
FROM_OUTSIDE = {"evalsha", "eval", "fcall", "exec", "xreadgroup"}
ROUND_TRIPS = 4
"""For each batch of a hundred."""
REDIS_BYTES = 2200
"""For each task; allocators differ."""
REDIS_CALLS = 44
"""Of Python, for each task."""
REDIS_CALLS_OF_ONE = 480
"""For a task that comes alone, those of asyncio and redis-py included: what a batch costs, whatever its size."""
SQLITE_STATEMENTS = 0.35
SQLITE_STEPS = 480
SQLITE_TRANSACTIONS = 4
"""For each batch."""
SQLITE_BYTES = 1100
SQLITE_CALLS = 62


def told(spent: Mapping[str, int], tasks: int) -> str:
    """The largest parts, for each task."""
    rows = sorted(spent.items(), key=lambda each: -each[1])[:12]
    return "\n".join(f"{count / tasks:8.2f}  {name}" for name, count in rows)


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """A server of this test's own: its counters count nobody else."""
    server = PrivateRedis(binary(), tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def on_redis(server, tmp_path) -> AsyncIterator[Cycle]:
    """A cycle that has gone round once, so that scripts are known and connections are open."""
    async with cycle_of(redis_stream_bus, redis_storage, place_in(tmp_path, server.url)) as (cycle, _):
        yield cycle


async def test_a_task_costs_few_commands_of_redis(server, on_redis: Cycle):
    """Those inside of scripts included: the server does nothing else while it runs one."""
    spent = await spent_on(server, on_redis)
    per_task = sum(spent.values()) / TASKS
    assert per_task <= REDIS_COMMANDS, f"{per_task:.1f} commands for each task:\n{told(spent, TASKS)}"


async def test_a_task_alone_costs_few_commands_of_redis(server, on_redis: Cycle):
    """Most of what it costs the server: each is called anew for it."""
    spent = await spent_on(server, on_redis, 1)
    per_task = sum(spent.values()) / BATCHES
    assert per_task <= REDIS_COMMANDS_OF_ONE, f"{per_task:.1f} commands for each task:\n{told(spent, BATCHES)}"


async def test_a_batch_costs_few_round_trips(server, on_redis: Cycle):
    """One for each of: publishing, receiving, beginning, finishing, since bus and log, store and bus are written
    together. Whatever is not a script or a read that waits is counted as a command."""
    spent = await spent_on(server, on_redis)
    sent = {name: count for name, count in spent.items() if name in FROM_OUTSIDE}
    per_batch = sum(sent.values()) / BATCHES
    assert per_batch <= ROUND_TRIPS, f"{per_batch:.1f} round trips for each batch:\n{told(sent, BATCHES)}"


async def spent_on(server: PrivateRedis, cycle: Cycle, count: int = BATCH) -> Counter[str]:
    """The commands of some batches of so many tasks, by name."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        counter = RedisCounter(client)
        before = counter.commands()
        for _ in range(BATCHES):
            await cycle.batch(count)
        return counter.commands() - before


async def test_a_task_takes_little_room_in_redis(server, on_redis: Cycle):
    """Of 300 bytes of payload, ended, with its result, its journal and its places in the listings."""
    with contextlib.closing(redis.Redis.from_url(server.url)) as client:
        before = room(client)
        for _ in range(BATCHES):
            await on_redis.batch()
        spent = room(client) - before
    per_task = sum(spent.values()) / TASKS
    assert per_task <= REDIS_BYTES, f"{per_task:.0f} bytes for each task:\n{told(spent, TASKS)}"


def room(client: redis.Redis) -> Counter[str]:
    """How many bytes each kind of key takes: `t:018f…` and its like are one kind."""
    found: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        kind, _, rest = key.decode().partition("}:")[2].partition(":")
        kind += ":…" if rest.startswith("018f") else f":{rest}" * bool(rest)
        found[kind] += client.memory_usage(key, samples=0) or 0
    return found


async def test_a_task_costs_few_calls_of_python_on_redis(on_redis: Cycle):
    """Publisher and worker together, down to redis-py."""
    with CallCount(TASKS) as calls:
        for _ in range(BATCHES):
            await on_redis.batch()
    assert calls.per_task() <= REDIS_CALLS, f"{calls.per_task():.1f} calls for each task:\n{calls.table()}"


async def test_a_task_alone_costs_few_calls_of_python_on_redis(on_redis: Cycle):
    """Whatever is done for each batch, it pays for."""
    with CallCount(BATCHES) as calls:
        for _ in range(BATCHES):
            await on_redis.batch(1)
    spent = calls.total / BATCHES
    assert spent <= REDIS_CALLS_OF_ONE, f"{spent:.0f} calls for each batch, of the package:\n{calls.table()}"


# --- SQLite -----------------------------------------------------------------------------------------------------------


async def test_a_task_costs_few_statements_of_sqlite(tmp_path):
    """Those that write a batch write it whole; what its rows cost is in their steps. One transaction for each of:
    publishing, receiving, beginning, finishing."""
    counter = SqliteCounter()
    with counter.watching():
        async with cycle_of(sqlite_bus, sqlite_storage, place_in(tmp_path)) as (cycle, _):
            counter.seen.clear()
            for _ in range(BATCHES):
                await cycle.batch()
            seen = list(counter.seen)
    statements, steps, transactions = Counter[str](), Counter[str](), Counter[str]()
    for each in seen:
        if each.sql.split()[0] in FRAME:
            transactions[each.sql] += each.sql.startswith("BEGIN IMMEDIATE")
        else:
            statements[each.sql] += 1
            steps[each.sql] += each.steps
    per_task = statements.total() / TASKS
    assert per_task <= SQLITE_STATEMENTS, f"{per_task:.2f} statements for each task:\n{told(statements, TASKS)}"
    per_task = steps.total() / TASKS
    assert per_task <= SQLITE_STEPS, f"{per_task:.0f} steps of SQLite for each task:\n{told(steps, TASKS)}"
    per_batch = transactions.total() / BATCHES
    assert per_batch <= SQLITE_TRANSACTIONS, f"{per_batch:.1f} transactions for each batch"


async def test_a_task_takes_little_room_in_sqlite(tmp_path):
    """As in Redis; by the pages of each table and index."""
    async with cycle_of(sqlite_bus, sqlite_storage, place_in(tmp_path)) as (cycle, storage):
        before = await pages(storage)
        for _ in range(BATCHES):
            await cycle.batch()
        spent = await pages(storage) - before
    per_task = sum(spent.values()) / TASKS
    assert per_task <= SQLITE_BYTES, f"{per_task:.0f} bytes for each task:\n{told(spent, TASKS)}"


async def pages(storage) -> Counter[str]:
    """How many bytes each table and index takes."""
    rows = await storage._space.read(lambda reading: reading.rows("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    return Counter(dict(rows))


async def test_a_task_costs_few_calls_of_python_on_sqlite(tmp_path):
    """Publisher and worker together, and the threads that write and read."""
    with CallCount(TASKS + BATCH) as calls:
        async with cycle_of(sqlite_bus, sqlite_storage, place_in(tmp_path)) as (cycle, _):
            for _ in range(BATCHES):
                await cycle.batch()
    assert calls.per_task() <= SQLITE_CALLS, f"{calls.per_task():.1f} calls for each task:\n{calls.table()}"
