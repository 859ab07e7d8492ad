"""A full disk: the call says so, nothing is half done, and once there is room everything goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.domain.errors import BackendUnavailable

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount the small file system"
)

SCHEMA = ("CREATE TABLE blobs (name TEXT, blob BLOB)",)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def insert(name, size):
    return lambda cursor: cursor.execute("INSERT INTO blobs VALUES (?, zeroblob(?))", (name, size)).fetchall()


async def names(database):
    return await database.read(lambda cursor: [name for (name,) in cursor.execute("SELECT name FROM blobs")])


def fill(path):
    """Take all the space that is left."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


async def test_a_full_disk_and_recovery(small_disk):
    """One call and a batch fail with the reason; what was there stays; after some space is freed both go through."""
    async with Database(small_disk / "omni.db", migrations=SCHEMA) as database:
        await database.write(insert("first", 1000))
        fill(small_disk / "ballast")
        with pytest.raises(BackendUnavailable, match=r"no space is left|input/output") as caught:
            await database.write(insert("lost", 300_000))
        assert caught.value.hint
        outcomes = await asyncio.gather(
            *(database.write(insert("lost", 100_000)) for _ in range(5)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [BackendUnavailable] * 5
        assert await names(database) == ["first"]
        (small_disk / "ballast").unlink()
        await asyncio.gather(*(database.write(insert(f"later {n}", 10_000)) for n in range(5)))
        assert await names(database) == ["first", *(f"later {n}" for n in range(5))]
        assert await database.read(lambda cursor: cursor.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]


async def test_opening_on_a_full_disk(small_disk):
    """It fails for now, and succeeds once there is room."""
    fill(small_disk / "ballast")
    database = Database(small_disk / "folder" / "omni.db", migrations=SCHEMA)
    with pytest.raises(BackendUnavailable):
        await database.open()
    (small_disk / "ballast").unlink()
    async with database:
        await database.write(insert("a", 10))
        assert await names(database) == ["a"]
