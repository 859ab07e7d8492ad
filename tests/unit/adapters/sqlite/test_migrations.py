"""Opening a file: its schema is brought up to date, and what isn't ours to touch is refused and left as it is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import apsw
import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.migrations import APPLICATION_ID
from omnidaemon.domain.errors import BackendError, BackendUnusable

_NOBODY = 65534
STEPS = ("CREATE TABLE a (x); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN y", "CREATE INDEX i ON a (y)")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "omni.db"


def foreign_file(path, script):
    connection = apsw.Connection(str(path))
    connection.execute(script).fetchall()
    connection.close()


async def refused(database, match):
    """The error that opening raises; the file is as it was."""
    before = database.path.read_bytes() if database.path.exists() else None
    with pytest.raises(BackendUnusable, match=match) as caught:
        await database.open()
    assert (database.path.read_bytes() if database.path.exists() else None) == before
    assert caught.value.location == str(database.path)
    assert caught.value.hint
    return caught.value


async def test_each_step_is_taken_once(path):
    """A file of an older version gets the steps that it lacks."""
    async with Database(path, migrations=STEPS[:1]):
        pass
    for _ in range(2):
        async with Database(path, migrations=STEPS) as database:
            state = await database.read(
                lambda cursor: (
                    cursor.execute("SELECT * FROM a").fetchall(),
                    cursor.execute("SELECT * FROM pragma_user_version, pragma_application_id").fetchall(),
                    cursor.execute("PRAGMA journal_mode").fetchall(),
                )
            )
            assert state == ([(1, None)], [(3, APPLICATION_ID)], [("wal",)])


async def test_a_broken_step_leaves_the_version_before_it(path):
    """The steps before it stay, its own statements don't; another open tries again."""
    database = Database(path, migrations=(STEPS[0], "CREATE TABLE b (x); SELECT broken FROM nowhere"))
    for _ in range(2):
        with pytest.raises(BackendError, match="nowhere"):
            await database.open()
    async with Database(path, migrations=(STEPS[0], "CREATE TABLE b (x)")):
        pass


async def test_several_objects_open_a_new_file_at_once(path):
    """Each step is still taken once."""
    databases = [Database(path, migrations=STEPS) for _ in range(8)]
    await asyncio.gather(*(database.open() for database in databases))
    rows = await databases[-1].read(lambda cursor: cursor.execute("SELECT x FROM a").fetchall())
    assert rows == [(1,)]
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_newer_file(path):
    async with Database(path, migrations=STEPS):
        pass
    error = await refused(
        Database(path, migrations=STEPS[:1]), "its schema has version 3, this OmniDaemon knows up to 1"
    )
    assert "upgrade omnidaemon" in error.hint


async def test_something_else_than_a_database(path):
    path.write_bytes(b"a letter to my aunt\n" * 500)
    await refused(Database(path), "not an SQLite database")


async def test_a_corrupt_file(path):
    async with Database(path, migrations=STEPS):
        pass
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    await refused(Database(path, migrations=STEPS), "corrupt")


@pytest.mark.parametrize(
    "script",
    ["CREATE TABLE theirs (x)", "PRAGMA application_id = 77; CREATE TABLE theirs (x)", "PRAGMA application_id = 77"],
)
async def test_another_applications_file(path, script):
    foreign_file(path, script)
    await refused(Database(path, migrations=STEPS), "another application's")


async def test_a_path_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnusable, match="a file where its folder") as caught:
        await Database(tmp_path / "file" / "omni.db").open()
    assert caught.value.hint == "choose another path"


async def test_a_folder_in_its_place(path):
    path.mkdir()
    with pytest.raises(BackendError):
        await Database(path).open()


def run(*command):
    subprocess.run(command, check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a file system")
async def test_a_read_only_file_system(tmp_path):
    """With and without the file in it."""
    place = tmp_path / "place"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place)
    try:
        async with Database(place / "omni.db", migrations=STEPS):
            pass
        run("mount", "-o", "remount,ro", place)
        for name in ("omni.db", "new.db", "folder/new.db"):
            database = Database(place / name, migrations=STEPS)
            error = await refused(database, "(?i)read-only")
            assert "right to write" in error.hint
    finally:
        run("umount", place)


@pytest.fixture
def without_privileges(tmp_path):
    """A folder in which this process may write what it owns, and nothing more: root may write everywhere."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory() as folder:  # those of pytest are closed to others
        os.chown(folder, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


async def test_a_read_only_file(without_privileges):
    path = without_privileges / "omni.db"
    async with Database(path, migrations=STEPS):
        pass
    path.chmod(0o400)
    await refused(Database(path, migrations=STEPS), "read-only")
