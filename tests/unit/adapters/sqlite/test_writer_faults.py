"""What the writer's thread does when something fails that never should: whoever waits for it gets an answer."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from queue import Queue

import apsw
import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import sqlite_bus
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.faults import StoredOrNot
from omnidaemon.adapters.sqlite.turnstile import Turnstile
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.ports.bus import Confirmation
from omnidaemon.testing.place import Place


class BrokenTurnstile(Turnstile):
    """Fails each time that somebody wants in."""

    def enter(self):
        raise RuntimeError("can't start new thread")


@pytest.fixture
def writer(database):
    return database._session.writer


async def test_a_batch_that_cannot_begin_fails_and_the_next_one_works(database, writer, insert, words, monkeypatch):
    """Nobody waits for ever."""
    with monkeypatch.context() as broken:
        broken.setattr(writer, "_turnstile", BrokenTurnstile(database.path))
        calls = [database.write(insert("lost")) for _ in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
    assert {type(answer) for answer in answers} == {StoredOrNot}
    assert "can't start new thread" in str(answers[0])
    await database.write(insert("kept"))
    assert await words() == ["kept"]


async def test_a_ring_that_fails_costs_no_answer(database, writer, insert, words, monkeypatch):
    """What is committed is reported as such; a ring may be lost."""

    def ring():
        raise OSError("no more descriptors")

    monkeypatch.setattr(writer, "_ring", ring)
    await asyncio.wait_for(database.write(insert("a"), rings=Ring.EVERYBODY), 10)
    await asyncio.wait_for(database.write(insert("b"), rings=lambda _: 1 / 0), 10)
    assert await words() == ["a", "b"]


async def test_a_ring_can_depend_on_the_result(database, writer, insert, monkeypatch):
    """Of calls that succeeded only."""
    rings: list[Ring] = []
    monkeypatch.setattr(writer, "_ring", rings.append)
    for result in Ring:
        await database.write(lambda _, result=result: result, rings=lambda ring: ring)
    with pytest.raises(ZeroDivisionError):
        await database.write(lambda _: 1 / 0, rings=lambda _: Ring.EVERYBODY)
    assert rings == [Ring.FOLLOWERS, Ring.EVERYBODY]


async def test_a_thread_that_ends_leaves_nobody_waiting(database, writer, insert, hold_writer, monkeypatch):
    """Those in line get an error, and so does whoever comes later; what ended it is told as Python tells it."""
    told: Queue[threading.ExceptHookArgs] = Queue()
    monkeypatch.setattr(threading, "excepthook", told.put)

    def wait():
        raise MemoryError

    async with hold_writer():
        monkeypatch.setattr(writer.pending, "wait", wait)
        waiting = asyncio.ensure_future(database.write(insert("lost")))
        await asyncio.sleep(0)
    with pytest.raises(BackendUnavailable, match="its writer has ended"):
        await asyncio.wait_for(waiting, 10)
    with pytest.raises(BackendUnavailable):
        await asyncio.wait_for(database.write(insert("lost")), 10)
    assert (await asyncio.to_thread(told.get, timeout=10)).exc_type is MemoryError


@pytest.mark.parametrize(("error", "said"), [(apsw.IOError, "unknown"), (apsw.FullError, "failed")])
async def test_a_commit_that_may_have_been_stored_is_unknown(tmp_path, error, said):
    """After an input/output error the last frame may be in the log; a full disk had no room for it."""
    place = Place(data_dir=tmp_path, codec=JsonCodec())

    def fail():
        raise error("as the disk says")

    async with sqlite_bus(place.context()) as bus:
        session = bus._database._session
        assert session is not None
        before = session.writer._connection
        assert before is not None
        before.set_commit_hook(fail)
        (receipt,) = await bus.publish([place.task()])
        assert (receipt.confirmation, receipt.receivers) == (Confirmation(said), None)
        assert "as the disk says" in receipt.reason
        if error is apsw.FullError:  # after the other there is a new connection
            before.set_commit_hook(None)
        (receipt,) = await bus.publish([place.task()])
        assert receipt.confirmation is Confirmation.CONFIRMED


@pytest.mark.skipif(sys.platform != "linux", reason="a descriptor that cannot be locked is Linux's")
@pytest.mark.parametrize("broken", ["_queue", "_write"])
def test_turnstile_that_gets_no_lock_lets_go_ahead(tmp_path, broken):
    """Order is all that is lost, and nobody else is held up."""
    mine, other = Turnstile(tmp_path), Turnstile(tmp_path)
    for turnstile in (mine, other):
        turnstile.open()
    unlockable = os.open(tmp_path, os.O_PATH)
    os.dup2(unlockable, getattr(mine._locks, broken))
    os.close(unlockable)
    assert not mine.enter()
    assert other.enter()
    other.leave()
    for turnstile in (mine, other):
        turnstile.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a descriptor that cannot be locked is Linux's")
def test_turnstile_whose_thread_gets_no_lock_lets_go_ahead(tmp_path):
    """While others are in it."""
    mine, other = Turnstile(tmp_path), Turnstile(tmp_path)
    for turnstile in (mine, other):
        turnstile.open()
    assert other.enter()
    locks = mine._locks
    assert locks is not None
    assert not locks._is_free()
    unlockable = os.open(tmp_path, os.O_PATH)
    os.dup2(unlockable, locks._write)
    os.close(unlockable)
    locks._send_thread()
    assert locks._grants.get(timeout=10) is False
    other.leave()
    assert other.enter()
    for turnstile in (mine, other):
        turnstile.close()
