"""What is left in the file of a namespace that was erased."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.sqlite import sqlite_bus, sqlite_storage
from omnidaemon.domain.agent import Start
from omnidaemon.testing.contracts.opening import GREETER


def left(folder, word):
    """The files of this folder in which the word can be read."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and word in path.read_bytes())


@pytest.fixture(params=["bus", "storage"])
def part(request):
    """Either erases both, since they share the file."""
    return request.param


async def test_nothing_can_be_read_any_more(place, tmp_path, part):
    """Also nothing of what had ended long before, and while others have the file open and read in it."""
    task = place.task("t1", payload=b'"a word that nobody else writes"' * 300)
    other = place.peer_context(sqlite_bus(place.context()).capabilities)
    async with (
        sqlite_bus(place.context()) as bus,
        sqlite_storage(place.context()) as storage,
        sqlite_storage(other) as reading,
    ):
        await bus.declare({GREETER: Start.BACKLOG})
        await bus.publish([task])
        await storage.log.add([task])
        await storage.commands.delete("t1")
        await storage.log.add([place.task("t2", payload=task.payload)])
        assert await reading.queries.records(["t2"])
        assert left(tmp_path, b"nobody else")
        await {"bus": bus, "storage": storage}[part].erase()
        assert left(tmp_path, b"nobody else") == []
        assert await reading.queries.records(["t2"]) == {}
        await storage.log.add([task])
        assert await reading.queries.records(["t1"])
