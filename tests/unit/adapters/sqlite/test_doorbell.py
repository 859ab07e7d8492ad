"""The doorbell: no ring is missed between looking and waiting, in one process and by FIFO between two doorbells."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import pytest

from omnidaemon.adapters.sqlite.doorbell import Doorbell, Ring
from omnidaemon.domain.errors import OmniDaemonError

if sys.platform != "win32":
    import fcntl

LONG = 10.0


@pytest.fixture
def doorbell(tmp_path):
    """A doorbell of one process."""
    doorbell = Doorbell(tmp_path)
    yield doorbell
    doorbell.close()


@pytest.fixture
def foreign(tmp_path):
    """Another doorbell at the same folder reaches the first by FIFO only, as another process's does."""
    foreign = Doorbell(tmp_path)
    yield foreign
    foreign.close()


def fifos(folder):
    return [path for path in folder.iterdir() if path.name.startswith("bell-")]


async def test_a_ring_wakes_all_who_wait(doorbell):
    with doorbell.listen() as one, doorbell.listen() as two:
        waiting = asyncio.gather(one.wait(LONG), two.wait(LONG))
        await asyncio.sleep(0)
        doorbell.ring()
        assert all(await waiting)


async def test_nothing_rung(doorbell):
    with doorbell.listen() as listener:
        assert not await listener.wait(0.01)


async def test_a_ring_between_looking_and_waiting_is_not_missed(doorbell, foreign):
    with doorbell.listen() as listener:
        for rung in (doorbell, foreign):
            rung.ring()
            assert await listener.wait(LONG)
            assert not await listener.wait(0)


async def test_a_cancelled_wait_loses_no_ring(doorbell):
    with doorbell.listen() as listener:
        waiting = asyncio.ensure_future(listener.wait(LONG))
        await asyncio.sleep(0)
        doorbell.ring()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await listener.wait(LONG)


async def test_many_rings_may_arrive_as_one(doorbell, foreign):
    with doorbell.listen() as listener:
        for _ in range(70_000):  # more than a FIFO holds
            foreign.ring()
        assert await listener.wait(LONG)
        assert not await listener.wait(0.05)


async def test_from_another_thread_and_on_another_loop(doorbell):
    def other_thread():
        async def main():
            with doorbell.listen() as listener:
                doorbell.ring()
                return await listener.wait(LONG)

        return asyncio.run(main())

    with doorbell.listen() as listener:
        assert await asyncio.to_thread(other_thread)
        assert await listener.wait(LONG)


async def test_a_loop_that_ended_without_closing_is_forgotten(doorbell, tmp_path):
    loop = asyncio.new_event_loop()

    async def leave_listening():
        doorbell.listen()

    await asyncio.to_thread(loop.run_until_complete, leave_listening())
    loop.close()
    doorbell.ring()
    with doorbell.listen() as listener:
        doorbell.ring()
        assert await listener.wait(LONG)
        assert len(fifos(tmp_path)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no FIFOs on Windows")
class TestFifos:
    async def test_the_fifo_lives_as_long_as_its_listeners(self, doorbell, tmp_path):
        one, two = doorbell.listen(), doorbell.listen()
        (fifo,) = fifos(tmp_path)
        assert fifo.stat().st_mode & 0o777 == 0o600
        one.close()
        assert fifos(tmp_path) == [fifo]
        two.close()
        assert fifos(tmp_path) == []

    async def test_closing_the_doorbell_removes_them(self, doorbell, tmp_path):
        listener = doorbell.listen()
        doorbell.close()
        assert fifos(tmp_path) == []
        listener.close()

    async def test_what_a_dead_process_left_is_removed(self, foreign, tmp_path):
        os.mkfifo(tmp_path / "bell-1-dead")
        foreign.ring()
        assert fifos(tmp_path) == []

    async def test_a_listener_that_dies_later_is_removed_too(self, foreign, tmp_path):
        path = tmp_path / "bell-1-dying"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        foreign.ring()
        assert os.read(reader, 10) == b"!"
        os.close(reader)
        foreign.ring()
        assert fifos(tmp_path) == []

    async def test_listeners_that_come_and_go_are_noticed(self, doorbell, foreign, tmp_path):
        """Also within one tick of the folder's clock, and long after the folder has last changed."""
        os.utime(tmp_path, ns=(0, 0))
        for _ in range(20):
            foreign.ring()
            with doorbell.listen() as listener:
                foreign.ring()
                assert await listener.wait(LONG)

    async def test_an_unchanged_folder_is_not_listed_again(self, foreign, tmp_path):
        """A ring that nobody hears is cheap."""
        os.utime(tmp_path, ns=(1, 1))
        foreign.ring()
        assert foreign._foreign._listed_at == 1

    async def test_a_missing_folder_costs_only_the_backstop(self, tmp_path):
        """And the FIFO is made as soon as it can be."""
        folder = tmp_path / "later"
        doorbell, foreign = Doorbell(folder), Doorbell(folder)
        with doorbell.listen() as deaf:
            foreign.ring()
            assert not await deaf.wait(0.01)
            doorbell.ring()
            assert await deaf.wait(LONG)
            folder.mkdir()
            with doorbell.listen():
                foreign.ring()
                assert await deaf.wait(LONG)
        foreign.close()
        doorbell.close()


async def test_write_rings_once_after_the_commit(database, hold_writer, insert):
    """Whoever hears it finds what was written; calls that failed or didn't ask ring nothing."""
    rings: list[Ring] = []
    database._session.writer._ring = rings.append
    async with hold_writer():
        tasks = [asyncio.ensure_future(database.write(insert("a"), rings=Ring.EVERYBODY)) for _ in range(10)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert rings == [Ring.EVERYBODY]
    await database.write(insert("b"))
    with pytest.raises(OmniDaemonError):
        await database.write(lambda cursor: cursor.execute("SELECT x FROM nowhere"), rings=Ring.EVERYBODY)
    assert rings == [Ring.EVERYBODY]


async def test_a_consumer_of_the_database_is_woken(database, insert, words):
    with database.doorbell.listen() as listener:
        started_at = time.monotonic()
        waiting = asyncio.ensure_future(listener.wait(LONG))
        await database.write(insert("a"), rings=Ring.EVERYBODY)
        assert await waiting
        assert time.monotonic() - started_at < LONG / 2
        assert await words() == ["a"]


async def test_what_is_for_followers_wakes_nobody_else(doorbell, foreign):
    """Here and in other processes; they hear what is for everybody too."""
    with doorbell.listen() as worker, doorbell.listen(follows=True) as follower:
        for rung in (doorbell, foreign):
            rung.ring(Ring.FOLLOWERS)
            assert await follower.wait(LONG)
            assert not await worker.wait(0)
            rung.ring(Ring.FOLLOWERS)
            rung.ring()
            assert await worker.wait(LONG)
            assert await follower.wait(LONG)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a FIFO's size be set")
@pytest.mark.parametrize("capacity", [4096, 65_536])
async def test_nothing_is_lost_behind_what_is_for_followers(doorbell, foreign, capacity):
    """A FIFO that is full of it has no room for what is for everybody, however small it is."""
    with doorbell.listen() as worker:
        fifo = doorbell._ears[asyncio.get_running_loop()].fifo
        fcntl.fcntl(fifo.descriptor, fcntl.F_SETPIPE_SZ, capacity)
        for _ in range(70_000):
            foreign.ring(Ring.FOLLOWERS)
        foreign.ring()
        assert await worker.wait(LONG)
