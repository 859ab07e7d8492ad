"""The database within one process: several loops, snapshots, opening, closing, and what it refuses."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.domain.errors import BackendError, BackendUnavailable, BackendUnusable
from tests.unit.adapters.sqlite.turns import queued, settled


async def test_two_loops_in_two_threads(database, insert, words):
    """Both write and read at once through the same object."""

    def other_thread():
        async def main():
            async with database:
                await asyncio.gather(*(database.write(insert("other")) for _ in range(200)))
                return await database.read(lambda cursor: cursor.execute("SELECT count(*) FROM words").fetchall())

        return asyncio.run(main())

    other = asyncio.create_task(asyncio.to_thread(other_thread))
    await asyncio.gather(*(database.write(insert("mine")) for _ in range(200)))
    ((seen,),) = await other
    assert seen >= 200
    assert Counter(await words()) == {"mine": 200, "other": 200}


async def test_a_loop_that_ended_in_the_middle_of_a_call(database, hold_writer, insert, words):
    """Nobody is left to be told; the writer goes on."""

    def other_thread():
        async def main():
            asyncio.ensure_future(database.write(insert("other")))  # noqa: RUF006 - that nobody keeps it is the test
            await asyncio.sleep(0)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        for task in asyncio.all_tasks(loop):
            setattr(task, "_log_destroy_pending", False)  # noqa: B010 - meant, so nothing to be logged
        loop.close()

    async with hold_writer():
        await asyncio.to_thread(other_thread)
    await database.write(insert("mine"))
    assert await words() == ["other", "mine"]


async def test_a_read_sees_one_state(database, insert):
    """What is committed in the middle of a read is not in it; what was awaited before is."""
    await database.write(insert("before"))
    loop = asyncio.get_running_loop()

    def twice(cursor):
        first = cursor.execute("SELECT count(*) FROM words").fetchall()
        asyncio.run_coroutine_threadsafe(database.write(insert("during")), loop).result(10)
        return first, cursor.execute("SELECT count(*) FROM words").fetchall()

    assert await database.read(twice) == ([(1,)], [(1,)])
    assert await database.read(lambda cursor: cursor.execute("SELECT count(*) FROM words").fetchall()) == [(2,)]


async def test_a_read_cannot_write(database, insert):
    """Its connection refuses, and remains of use."""
    with pytest.raises(BackendError):
        await database.read(insert("no"))
    with pytest.raises(ZeroDivisionError):
        await database.read(lambda _: 1 / 0)
    assert await database.read(lambda cursor: cursor.execute("SELECT count(*) FROM words").fetchall()) == [(0,)]


async def test_constructing_touches_nothing(tmp_path):
    """Neither file nor folder before open."""
    database = Database(tmp_path / "folder" / "omni.db")
    assert list(tmp_path.iterdir()) == []
    for call in (database.write, database.read):
        with pytest.raises(BackendUnavailable, match="not open"):
            await call(lambda _: None)
    await database.close()


async def test_file_and_folder_are_this_users_alone(tmp_path):
    """0700 and 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        async with Database(tmp_path / "folder" / "omni ?.db", migrations=("CREATE TABLE t (a)",)) as database:
            await database.write(lambda cursor: cursor.execute("INSERT INTO t VALUES (1)").fetchall())
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()}
            assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(umask)
    assert modes.pop("omni ?.db-live") == 0o700
    assert modes == {"omni ?.db": 0o600, "omni ?.db-wal": 0o600, "omni ?.db-shm": 0o600}


async def test_the_last_close_closes(tmp_path, insert):
    """Two users; the file is open until both have left, and can be opened again."""
    database = Database(tmp_path / "db", migrations=("CREATE TABLE words (word)",))
    await asyncio.gather(database.open(), database.open())
    await database.close()
    await database.write(insert("a"))
    await database.close()
    with pytest.raises(BackendUnavailable, match="not open"):
        await database.write(insert("b"))
    assert not (tmp_path / "db-wal").exists()
    async with database:
        await database.write(insert("c"))


async def test_close_commits_what_is_pending(tmp_path, insert):
    """Whoever had called before the close gets an answer."""
    database = Database(tmp_path / "db", migrations=("CREATE TABLE words (word)",))
    await database.open()
    tasks = await queued(database.write(insert(str(n))) for n in range(200))
    await database.close()
    await asyncio.gather(*tasks)


async def test_a_cancelled_open_leaves_nothing(tmp_path):
    """The next one starts anew, and closing works."""
    database = Database(tmp_path / "db")
    (opening,) = await queued([database.open()])
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert database._session is None
    async with database:
        assert await database.read(lambda cursor: cursor.execute("SELECT 1").fetchall()) == [(1,)]


async def test_opening_and_closing_leaves_no_thread_and_no_descriptor(tmp_path, insert):
    """Fifty times in a row."""

    async def once():
        async with Database(tmp_path / "db", migrations=("CREATE TABLE words (word)",)) as database:
            with database.doorbell.listen():
                await database.write(insert("a"), rings=Ring.EVERYBODY)
                await database.read(lambda cursor: cursor.execute("SELECT 1").fetchall())

    def open_descriptors():
        return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0

    def own_threads():
        return [thread for thread in threading.enumerate() if thread.name.startswith("omnidaemon")]

    await once()
    await settled(lambda: not own_threads())
    before = open_descriptors()
    for _ in range(50):
        await once()
    await settled(lambda: not own_threads() and open_descriptors() <= before)
    assert sorted(path.name for path in (tmp_path / "db-live").iterdir()) == ["queue", "write"]


async def test_a_foreign_lock_ends_in_a_clear_error(tmp_path, insert):
    """A program that doesn't queue holds the file: after the time-out the call says so, then the next one works."""
    timeout = timedelta(seconds=0.05)
    async with Database(tmp_path / "db", migrations=("CREATE TABLE words (word)",), busy_timeout=timeout) as database:
        foreign = apsw.Connection(str(tmp_path / "db"))
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailable, match="another program has kept it locked") as caught:
            await database.write(insert("a"))
        assert caught.value.is_transient
        assert "fuser" in caught.value.hint
        foreign.execute("ROLLBACK")
        foreign.close()
        await database.write(insert("b"))


async def test_a_file_that_was_moved_is_not_written_to(database, insert, words):
    """What would be written to it would be lost; put back, it is used again."""
    await database.write(insert("a"))
    elsewhere = database.path.rename(database.path.with_name("elsewhere"))
    with pytest.raises(BackendUnusable, match="moved, deleted or replaced"):
        await database.write(insert("lost"))
    elsewhere.rename(database.path)
    await database.write(insert("b"))
    assert await words() == ["a", "b"]


async def test_a_forked_child_is_told(database, insert):
    """The threads are not there in the child, so a call would wait for ever."""
    process_id = database._session.process_id
    database._session.process_id = -1
    with pytest.raises(BackendUnusable, match="forked"):
        await database.write(insert("a"))
    with pytest.raises(BackendUnusable, match="forked"):
        await database.open()
    database._session.process_id = process_id


async def test_the_writer_makes_a_new_connection_after_a_doubtful_error(database, insert, words):
    """As after an input/output error, here one that the work itself raises."""

    def work(cursor):
        insert("lost")(cursor)
        raise apsw.IOError("disk I/O error")

    before = database._session.writer._connection
    with pytest.raises(BackendUnavailable, match="input/output"):
        await database.write(work)
    await database.write(insert("kept"))
    assert database._session.writer._connection is not before
    assert await words() == ["kept"]
