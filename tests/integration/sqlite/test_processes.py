"""Several processes at one file: opening it at once, taking turns, dying and freezing in the middle, ringing."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.domain.errors import BackendUnavailable
from tests.file_locks import is_free

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, flock and FIFOs")

SCHEMA = ("CREATE TABLE words (word TEXT NOT NULL)", "CREATE TABLE marks (process INTEGER PRIMARY KEY)")


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "omni.db", migrations=SCHEMA, busy_timeout=timedelta(seconds=0.3))


def tell(process, word="go"):
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


async def line(process):
    return (await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)).strip()


def insert(word):
    return lambda cursor: cursor.execute("INSERT INTO words VALUES (?)", (word,)).fetchall()


def query(sql):
    return lambda cursor: cursor.execute(sql).fetchall()


async def test_many_open_a_new_file_at_once(start, database):
    """Nobody fails, and each step is taken once."""
    processes = [start("mark") for _ in range(6)]
    for process in processes:
        tell(process)
    assert [await line(process) for process in processes] == ["marked"] * 6
    async with database:
        assert await database.read(query("SELECT count(*) FROM marks")) == [(6,)]


async def test_writers_get_fair_shares(start):
    """Of eight that write without a pause, none gets thrice as much as another."""
    processes = [start("write", 1.0) for _ in range(8)]
    for process in processes:
        assert await line(process) == "ready"
    for process in processes:
        tell(process)
    reports = [json.loads(await line(process)) for process in processes]
    counts = [report["count"] for report in reports]
    assert max(counts) <= 3 * min(counts), reports


async def test_killing_a_writer_in_its_transaction(start, database):
    """The others go on at once, nothing of the transaction is there, and the file is whole."""
    async with database:
        await database.write(insert("before"))
        process = start("stick")
        assert await line(process) == "inside"
        waiting = asyncio.ensure_future(database.write(insert("after")))
        process.kill()
        started_at = time.monotonic()
        await waiting
        assert time.monotonic() - started_at < 2
        assert await database.read(query("SELECT word FROM words")) == [("before",), ("after",)]
        assert await database.read(query("PRAGMA integrity_check")) == [("ok",)]


async def test_killing_busy_writers(start, database):
    """Whenever they die, what was confirmed stays and the file is whole."""
    async with database:
        for _ in range(3):
            processes = [start("write") for _ in range(3)]
            for process in processes:
                assert await line(process) == "ready"
                tell(process)
            for process in processes:
                await database.write(insert("mine"))
                process.kill()
            await database.write(insert("mine"))
        assert await database.read(query("SELECT count(*) FROM words WHERE word = 'mine'")) == [(12,)]
        assert await database.read(query("PRAGMA integrity_check")) == [("ok",)]


async def test_freezing_a_writer_in_its_transaction(start, database):
    """Nobody can write then; each call says so in time, and all is well once the frozen one is gone."""
    async with database:
        process = start("stick")
        assert await line(process) == "inside"
        process.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="locked"):
                await database.write(insert("no"))
        assert await database.read(query("SELECT * FROM words")) == []
        process.kill()
        process.wait()
        await database.write(insert("yes"))
        assert await database.read(query("SELECT word FROM words")) == [("yes",)]


async def test_freezing_a_process_in_the_queue(start, database, tmp_path):
    """It holds no lock of SQLite's, so the others go around it; woken up, it gets its turn."""
    import fcntl

    async with database:
        process = start("queue")
        assert await line(process) == "ready"
        folder = tmp_path / "omni.db-live"
        with (folder / "write").open("r+b") as write, (folder / "queue").open("r+b") as queue:
            fcntl.flock(write, fcntl.LOCK_EX)
            tell(process)
            async with asyncio.timeout(10):
                while is_free(queue):  # noqa: ASYNC110 - a file's lock sets no event
                    await asyncio.sleep(0.001)
            process.send_signal(signal.SIGSTOP)
            async with asyncio.timeout(10):
                while not is_frozen(process):  # noqa: ASYNC110 - the signal takes a moment, a running process goes on
                    await asyncio.sleep(0.001)
        await database.write(insert("around it"))
        process.send_signal(signal.SIGCONT)
        assert await line(process) == "done"
        await database.write(insert("after it"))
        assert await database.read(query("SELECT word FROM words")) == [("around it",), ("late",), ("after it",)]


def is_frozen(process):
    """Whether the kernel has stopped every thread of it."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


async def test_a_ring_from_another_process(start, database):
    """It wakes whoever waits, and what was written before it is there."""
    async with database:
        process = start("ring")
        assert await line(process) == "ready"
        with database.doorbell.listen() as listener:
            for number in range(1, 20):
                tell(process)
                assert await listener.wait(10)
                assert await database.read(query("SELECT count(*) FROM words")) == [(number,)]
                await line(process)


async def test_a_listener_that_was_killed(start, database, tmp_path):
    """Its FIFO is removed by the next ring."""
    async with database:
        process = start("listen")
        assert await line(process) == "ready"
        await database.write(insert("a"), rings=Ring.EVERYBODY)
        assert await line(process) == "rung"
        process.kill()
        process.wait()
        await database.write(insert("b"), rings=Ring.EVERYBODY)
        assert sorted(path.name for path in (tmp_path / "omni.db-live").iterdir()) == ["queue", "write"]
