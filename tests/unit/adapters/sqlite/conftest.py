"""Places for adapters; a database with one table, and a way to hold its writer up so that calls pile up behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import sqlite_storage
from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.domain.agent import AgentProfile
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.place import Place

SCHEMA = ("CREATE TABLE words (word TEXT NOT NULL)",)


@pytest.fixture
def codec() -> Codec:
    return JsonCodec()


@pytest.fixture
def place(tmp_path: Path, codec: Codec) -> Place:
    """Fresh data, with a clock in the test's hand."""
    return Place(data_dir=tmp_path, clock=ManualClock(), codec=codec)


@pytest.fixture
async def storage(place: Place) -> AsyncIterator[Storage]:
    """A file that knows an agent for longer than any task."""
    async with sqlite_storage(place.context()) as storage:
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await place.pass_time(0.01)
        yield storage


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "omni.db", migrations=SCHEMA) as database:
        yield database


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What the writer's connection executes from now on."""
    seen: list[str] = []

    def note(_cursor: object, sql: str, _bindings: object) -> bool:
        seen.append(sql)
        return True

    assert database._session is not None
    connection = database._session.writer._connection
    assert connection is not None
    connection.exec_trace = note
    yield seen
    connection.exec_trace = None


@pytest.fixture
def hold_writer(database: Database) -> Callable[[], Any]:
    """A context in which the writer is busy with one call; those that come meanwhile are served once it ends."""

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        has_begun, is_free = threading.Event(), threading.Event()

        def hold(_: apsw.Cursor) -> None:
            has_begun.set()
            is_free.wait(10)

        holding = asyncio.ensure_future(database.write(hold))
        await asyncio.to_thread(has_begun.wait, 10)
        try:
            yield
        finally:
            is_free.set()
            await holding

    return held


@pytest.fixture
def insert() -> Callable[[str], Callable[[apsw.Cursor], None]]:
    def insert(word: str) -> Callable[[apsw.Cursor], None]:
        def work(cursor: apsw.Cursor) -> None:
            cursor.execute("INSERT INTO words VALUES (?)", (word,))

        return work

    return insert


@pytest.fixture
def words(database: Database) -> Callable[[], Any]:
    async def words() -> list[str]:
        return await database.read(
            lambda cursor: [word for (word,) in cursor.execute("SELECT word FROM words ORDER BY rowid")]
        )

    return words
