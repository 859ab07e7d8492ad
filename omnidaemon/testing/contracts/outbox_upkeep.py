"""What every Outbox shows to people, what they may order, and what becomes of entries that have served."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain
from omnidaemon.ports.outbox import LARGEST_PAGE_BYTES, OutboxFilter, result_bytes
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import StorageOpening
from omnidaemon.testing.contracts.outbox import BOTH, REPLY, ended, everything, settled, taken
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker


class OutboxUpkeepContract(StorageOpening):
    """find(), redeliver(), retention."""

    pytestmark = pytest.mark.asyncio

    async def test_outbox_lists_what_matches(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Newest first, by status, kind, topic and task, and by all of them together."""
        for task_id in ("t1", "t2", "t3"):
            await ended(place, worker, task_id)
        first = [entry for entry in await taken(storage) if entry.notification.task_id == "t1"]
        await settled(storage, first, Delivered())

        async def found(wanted: OutboxFilter) -> list[str]:
            page = await storage.outbox.find(wanted)
            return [f"{entry.notification.task_id} {entry.notification.kind.value}" for entry in page.entries]

        assert await found(OutboxFilter(kind=REPLY)) == ["t3 reply", "t2 reply", "t1 reply"]
        assert sorted(await found(OutboxFilter(task_id="t2"))) == ["t2 reply", "t2 webhook"]
        assert sorted(await found(OutboxFilter(status=OutboxStatus.DELIVERED))) == ["t1 reply", "t1 webhook"]
        assert await found(OutboxFilter(status=OutboxStatus.PENDING, kind=REPLY)) == ["t3 reply", "t2 reply"]
        assert len(await found(OutboxFilter(topic=place.task().topic))) == 6
        assert await found(OutboxFilter(topic="elsewhere")) == []
        assert await found(OutboxFilter(task_id="t2", status=OutboxStatus.DELIVERED)) == []

    async def test_outbox_lists_page_by_page(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Each once, also while more come in; a cursor of somebody else's is refused."""
        for number in range(5):
            await ended(place, worker, f"t{number}", reply_to=None)
        seen: list[str] = []
        cursor = None
        while True:
            page = await storage.outbox.find(OutboxFilter(), cursor, limit=2)
            seen += [entry.notification.task_id for entry in page.entries]
            if (cursor := page.cursor) is None:
                break
            await ended(place, worker, f"later{len(seen)}", reply_to=None)
        assert seen == ["t4", "t3", "t2", "t1", "t0"]
        with pytest.raises(InvalidValue):
            await storage.outbox.find(OutboxFilter(), cursor="x")

    @pytest.mark.parametrize("wanted", [OutboxFilter(), OutboxFilter(task_id="t2"), OutboxFilter(kind=REPLY)])
    async def test_outbox_lists_large_results_a_few_at_a_time(
        self, place: Place, storage: Storage, worker: ScriptedWorker, wanted: OutboxFilter
    ) -> None:
        """No page holds more than so many bytes of them, but one entry at least; and none is passed over."""
        sizes = {"t0": 1, "t1": LARGEST_PAGE_BYTES + 1, "t2": 1, "t3": LARGEST_PAGE_BYTES // 2, "t4": 1}
        for task_id, size in sizes.items():
            await ended(place, worker, task_id, result=b'"' + b"x" * size + b'"')
        seen: list[OutboxEntry] = []
        cursor = None
        while True:
            page = await storage.outbox.find(wanted, cursor)
            assert len(page.entries) == 1 or sum(map(result_bytes, page.entries)) <= LARGEST_PAGE_BYTES
            seen += page.entries
            if (cursor := page.cursor) is None:
                break
        told = [each for each in sorted(sizes, reverse=True) if wanted.task_id in (None, each)]
        assert [entry.notification.task_id for entry in seen if entry.notification.kind is REPLY] == told
        assert len({entry.position for entry in seen}) == len(told) * (2 if wanted.kind is None else 1)

    @pytest.mark.parametrize(
        "verdict", [Delivered(), GivenUp("enough"), TryAgain(1000.0)], ids=["done", "off", "later"]
    )
    async def test_outbox_delivers_anew(
        self,
        place: Place,
        storage: Storage,
        worker: ScriptedWorker,
        verdict: Delivered | GivenUp | TryAgain,
    ) -> None:
        """Whatever became of it: due at once, with all attempts before it, and what it had in its log."""
        await ended(place, worker, reply_to=None)
        (entry,) = await taken(storage)
        await settled(storage, [entry], verdict)
        assert list(await storage.outbox.redeliver([entry.notification_id, "unknown"])) == [entry.notification_id]
        (again,) = await taken(storage)
        assert (again.notification, again.attempts, again.status) == (entry.notification, 0, OutboxStatus.PENDING)
        assert (len(again.log), again.settled_at, again.reason) == (1, None, None)
        await settled(storage, [again], Delivered())
        (found,) = (await storage.outbox.find(OutboxFilter(status=OutboxStatus.DELIVERED))).entries
        assert [line.attempt for line in found.log] == [1, 1]

    async def test_outbox_takes_an_entry_from_who_holds_it_to_deliver_it_anew(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Its holder can settle it no more."""
        await ended(place, worker, reply_to=None)
        (held,) = await taken(storage)
        await storage.outbox.redeliver([held.notification_id])
        assert await settled(storage, [held], Delivered()) == [False]
        assert len(await taken(storage)) == 1

    async def test_outbox_forgets_what_was_settled_long_ago(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """With the results; what is pending stays, also when its task has expired."""
        for task_id in ("t1", "t2"):
            await ended(place, worker, task_id, reply_to=None)
        first, _ = await taken(storage, hold_seconds=0.1)
        await settled(storage, [first], Delivered())
        await storage.commands.prune(timedelta(hours=1), None, 100)
        assert len(await everything(storage)) == 2
        await place.pass_time(0.2)
        await storage.commands.prune(timedelta(seconds=0.1), None, 100)
        assert (await storage.queries.records(["t1", "t2"])) == {}
        (left,) = await everything(storage)
        assert (left.task_id, left.run.result) == ("t2", b'"done"')
        assert [entry.notification.task_id for entry in await taken(storage)] == ["t2"]

    async def test_outbox_tells_of_a_deleted_task(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """What was settled goes with it, what is pending does not: nothing is dropped unsent."""
        await ended(place, worker)
        webhook = list((await storage.outbox.take({k: n for k, n in BOTH.items() if k is not REPLY}, 30.0)).entries)
        await settled(storage, webhook, Delivered())
        await storage.commands.delete("t1")
        assert [told.kind for told in await everything(storage)] == [REPLY]
        assert [entry.notification.kind for entry in await taken(storage)] == [REPLY]
