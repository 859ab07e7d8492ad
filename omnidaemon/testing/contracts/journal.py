"""What every Journal keeps: what happened, in order, and nothing twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.policy import RetryAfter
from omnidaemon.domain.values import replace
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, StorageOpening
from omnidaemon.testing.place import TOPIC, Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded


class JournalContract(StorageOpening):
    """append(), read(), and what the gates write."""

    pytestmark = pytest.mark.asyncio

    async def test_journal_reads_what_was_appended(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Whole and in order, under growing positions; also over another connection."""
        events = [
            JournalEvent(
                kind=EventKind.PUBLISHED, task_id=f"t{number}", topic=TOPIC, at=place.now(), detail=f"né {number}"
            )
            for number in range(3)
        ]
        await storage.journal.append(events)
        read = await peer.journal.read()
        assert [replace(event, position=0) for event in read] == events
        positions = [event.position for event in read]
        assert positions == sorted(set(positions))
        assert positions[0] > 0

    async def test_journal_reads_on_from_a_position(self, place: Place, storage: Storage) -> None:
        """Page by page, each event once, up to the limit; nothing at the end."""
        await storage.log.add([place.task(f"t{number}") for number in range(5)])
        seen: list[str] = []
        after = 0
        while page := await storage.journal.read(after=after, limit=2):
            assert len(page) <= 2
            seen += [event.task_id for event in page]
            after = page[-1].position
        assert seen == [f"t{number}" for number in range(5)]

    async def test_journal_reads_one_task(self, place: Place, storage: Storage) -> None:
        """Others' events are left out."""
        await storage.log.add([place.task("t1"), place.task("t2")])
        assert [event.task_id for event in await storage.journal.read(task_id="t2")] == ["t2"]
        assert list(await storage.journal.read(task_id="unknown")) == []

    async def test_journal_tells_a_run_from_start_to_end(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Each gate and command writes its own line; a call repeated after a lost reply writes none."""
        task = place.task()
        await storage.log.add([task])
        grant = await worker.begun(task, GREETER)
        await worker.begin(worker.start_of(task, GREETER), again=True)
        await worker.settle(grant, RetryAfter(seconds=0.0))
        await worker.release(await worker.claimed(GREETER))
        grant = await worker.claimed(GREETER)
        await storage.commands.cancel("t1")
        await worker.settle(grant, succeeded())
        await storage.commands.requeue("t1", "greeter")
        events = await storage.journal.read(task_id="t1")
        assert [event.kind.value for event in events] == [
            "published",
            "started",
            "retried",
            "started",
            "released",
            "started",
            "cancel_requested",
            "succeeded",
            "requeued",
        ]
        assert {event.agent for event in events[1:]} == {"greeter"}

    async def test_journal_knows_its_latest_position(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Nothing at first; then that of the newest event, whoever wrote it and over whatever connection."""
        assert await storage.journal.latest() == 0
        await storage.log.add([place.task(f"t{number}") for number in range(3)])
        latest = await peer.journal.latest()
        assert latest == (await storage.journal.read())[-1].position
        await peer.journal.append([_event(place, "later")])
        assert [event.task_id for event in await storage.journal.read(after=latest)] == ["later"]

    async def test_journal_gives_no_position_twice(self, place: Place, storage: Storage) -> None:
        """Retention takes events away, not the count of them."""
        old = [replace(_event(place, f"t{number}"), at=place.now() - timedelta(days=2)) for number in range(3)]
        await storage.journal.append(old)
        latest = await storage.journal.latest()
        await storage.commands.prune(timedelta(days=1), None, 100)
        assert list(await storage.journal.read()) == []
        assert await storage.journal.latest() == latest
        await storage.journal.append([_event(place, "new")])
        assert [event.position > latest for event in await storage.journal.read()] == [True]

    async def test_journal_is_visible_in_order(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Who reads on while many write, over several connections and by several calls, passes over nothing."""

        async def write(writer: Storage, name: str) -> None:
            for number in range(20):
                await writer.journal.append([_event(place, f"{name}-{number}-{part}") for part in range(3)])
                await writer.log.add([place.task(f"{name}-{number}")])

        writing = asyncio.gather(*(write(each, f"{i}") for i, each in enumerate((storage, peer, storage, peer))))
        seen: list[JournalEvent] = []
        is_over = False
        while not is_over:
            is_over = writing.done()
            while page := await storage.journal.read(after=seen[-1].position if seen else 0, limit=7):
                seen += page
            await asyncio.sleep(0)
        await writing
        assert len(seen) == 4 * 20 * 4
        assert seen == list(await storage.journal.read(limit=1000))


def _event(place: Place, task_id: str) -> JournalEvent:
    return JournalEvent(kind=EventKind.PUBLISHED, task_id=task_id, topic=TOPIC, at=place.now())
