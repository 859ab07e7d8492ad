"""What every RunCommands keeps when retention asks for its part: prune, of what ended long ago alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omnidaemon.domain.requests import HoldRun
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, StorageOpening
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, given_up, succeeded

SECOND = timedelta(seconds=1)


class PruneContract(StorageOpening):
    """prune()."""

    pytestmark = pytest.mark.asyncio

    async def test_prune_removes_what_ended_long_ago(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Not what ended lately, and never what has not ended, however old it is."""
        await worker.settle(await worker.begun(place.task("old"), GREETER), succeeded())
        await worker.begun(place.task("running"), GREETER)
        await worker.begin(HoldRun(task=place.task("held"), subscription=GREETER))
        await storage.log.add([place.task("queued")])
        await place.pass_time(1.5)
        await worker.settle(await worker.begun(place.task("new"), GREETER), succeeded())
        assert await storage.commands.prune(SECOND, SECOND, 100) == 1
        left = await storage.queries.records(["old", "running", "held", "queued", "new"])
        assert sorted(left) == ["held", "new", "queued", "running"]

    async def test_prune_keeps_dead_letters_for_their_own_time(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """None keeps them until somebody purges them."""
        await worker.settle(await worker.begun(place.task(), GREETER), given_up())
        await place.pass_time(1.5)
        assert await storage.commands.prune(SECOND, None, 100) == 0
        assert await storage.commands.prune(SECOND, timedelta(hours=1), 100) == 0
        assert await storage.commands.prune(SECOND, SECOND, 100) == 1

    async def test_prune_goes_in_bounded_steps(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Up to the limit each time, until nothing is left, also past old tasks that have to stay."""
        for number in range(3):
            await worker.begun(place.task(f"running{number}"), GREETER)
        for number in range(5):
            await worker.settle(await worker.begun(place.task(f"t{number}"), GREETER), succeeded())
        await place.pass_time(1.5)
        removed = [await storage.commands.prune(SECOND, SECOND, 2) for _ in range(5)]
        assert sum(removed) == 5
        assert max(removed) <= 2

    async def test_prune_leaves_a_tombstone_where_the_ack_is_unknown(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """So that a delivery which comes even later does not begin the task anew."""
        task = place.task()
        await worker.settle(await worker.begun(task, GREETER), succeeded(), is_acked=False)
        await place.pass_time(1.5)
        assert await storage.commands.prune(SECOND, SECOND, 100) == 1
        assert list(await worker.begin(worker.start_of(task, GREETER))) == [None]

    async def test_prune_takes_old_journal_entries_along(self, place: Place, storage: Storage) -> None:
        """The journal is as long as the results are kept."""
        await storage.log.add([place.task("old")])
        await place.pass_time(1.5)
        await storage.log.add([place.task("new")])
        await storage.commands.prune(SECOND, SECOND, 100)
        assert [event.task_id for event in await storage.journal.read()] == ["new"]

    async def test_whoever_was_away_for_long_reads_on_from_what_is_still_kept(
        self, place: Place, storage: Storage
    ) -> None:
        """However much of what followed on their position has gone meanwhile."""
        for number in range(5):
            await storage.log.add([place.task(f"old{number}")])
        await place.pass_time(1.5)
        await storage.log.add([place.task("new"), place.task("newer")])
        await storage.commands.prune(SECOND, SECOND, 100)
        for after in range(6):
            assert [event.task_id for event in await storage.journal.read(after, limit=1)] == ["new"]
        assert [event.task_id for event in await storage.journal.read(1, limit=2)] == ["new", "newer"]
