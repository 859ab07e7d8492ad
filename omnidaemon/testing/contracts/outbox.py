"""What every Outbox keeps: each end of a run is told, held by one sender at a time, until it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.notification import Notification, NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt, Settlement
from omnidaemon.domain.policy import End, RetryAfter
from omnidaemon.domain.requests import EndRun
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain, Verdict
from omnidaemon.ports.outbox import OutboxFilter, TakenEntries
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, succeeded

URL = "https://example.org/hook"
REPLIES = "answers"
WEBHOOK, REPLY = NotificationKind.WEBHOOK, NotificationKind.REPLY
BOTH = {WEBHOOK: 10, REPLY: 10}


def told_of(place: Place, task_id: str = "t1", **more: Any) -> Task:
    """A task that names both kinds of receivers."""
    return place.task(task_id, **{"webhook": URL, "reply_to": REPLIES, **more})


async def ended(
    place: Place, worker: ScriptedWorker, task_id: str = "t1", *, result: bytes = b'"done"', **more: Any
) -> Task:
    """A task of which a run has just succeeded."""
    task = told_of(place, task_id, **more)
    await worker.settle(await worker.begun(task, GREETER), succeeded(result))
    return task


async def taken(storage: Storage, hold_seconds: float = 30.0) -> list[OutboxEntry]:
    """All that is due."""
    return list((await storage.outbox.take(BOTH, hold_seconds)).entries)


async def everything(storage: Storage) -> list[Notification]:
    """All that was put into it, oldest first."""
    page = await storage.outbox.find(OutboxFilter(), limit=1000)
    return [entry.notification for entry in reversed(page.entries)]


def settlement(entry: OutboxEntry, verdict: Verdict, **attempt: Any) -> Settlement:
    """This verdict, under the fence that the entry was taken with."""
    return Settlement(
        notification_id=entry.notification_id, fence=entry.fence, verdict=verdict, attempt=SendAttempt(**attempt)
    )


async def settled(storage: Storage, entries: Sequence[OutboxEntry], verdict: Verdict, **attempt: Any) -> list[bool]:
    """Whether this verdict was recorded of each."""
    return list(await storage.outbox.settle([settlement(entry, verdict, **attempt) for entry in entries]))


class OutboxContract(StorageOpening):
    """What comes in, take() and settle()."""

    pytestmark = pytest.mark.asyncio

    # --- what comes in ------------------------------------------------------------------------------------------------

    async def test_outbox_has_what_a_finished_run_tells(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """One entry for each receiver, with the run as it ended; due at once, also for another process."""
        task = await ended(place, worker, correlation_id="c", hops=3)
        entries = {entry.notification.kind: entry for entry in await taken(storage)}
        assert {kind: entry.notification.target for kind, entry in entries.items()} == {WEBHOOK: URL, REPLY: REPLIES}
        assert len({entry.notification_id for entry in entries.values()}) == 2
        for entry in entries.values():
            run = entry.notification.run
            assert (run.state, run.result, run.key) == (RunState.SUCCEEDED, b'"done"', ("t1", "greeter"))
            assert run.return_address is not None
            assert (run.return_address.hops, run.return_address.correlation_id) == (3, "c")
            assert run.return_address.created_at == task.created_at
            assert (entry.status, entry.attempts, entry.log) == (OutboxStatus.PENDING, 0, ())

    async def test_outbox_has_nothing_of_a_task_that_names_nobody(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Most tasks; and no due time comes of them."""
        await worker.settle(await worker.begun(place.task(), GREETER), succeeded())
        assert await storage.outbox.take(BOTH, 30.0) == TakenEntries()

    async def test_outbox_has_one_of_each_agents_run(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Each run of a task tells of itself."""
        task = told_of(place, reply_to=None)
        for subscription in (GREETER, LOGGER):
            await worker.settle(await worker.begun(task, subscription), succeeded())
        assert [n.run.subscription for n in await everything(storage)] == [GREETER, LOGGER]

    @pytest.mark.parametrize("way", ["dead", "skipped", "released", "cancelled", "cancelled unbegun", "retried"])
    async def test_outbox_has_every_end(self, place: Place, storage: Storage, worker: ScriptedWorker, way: str) -> None:
        """However a run ends, the transaction that ends it writes what is told; one that goes on tells nothing."""
        task = told_of(place, reply_to=None)
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await storage.log.add([task])
        expected = RunState.CANCELLED
        if way == "skipped":
            await worker.begin(EndRun(task=task, subscription=GREETER, state=RunState.SKIPPED))
            expected = RunState.SKIPPED
        elif way == "cancelled unbegun":
            await storage.commands.cancel("t1")
        else:
            grant = await worker.begun(task, GREETER)
            if way == "dead":
                await worker.settle(grant, End(state=RunState.DEAD))
                expected = RunState.DEAD
            elif way == "cancelled":
                await worker.settle(grant, RetryAfter(seconds=60))
                assert await everything(storage) == []
                await storage.commands.cancel("t1", "greeter")
            else:
                await storage.commands.cancel("t1")
                assert await everything(storage) == []
                await (worker.release(grant) if way == "released" else worker.settle(grant, RetryAfter(seconds=1)))
        (told,) = await everything(storage)
        assert told.run.state is expected

    async def test_outbox_gets_an_end_once(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """A gate that is asked again, and a delivery that comes again, tell nothing twice."""
        await ended(place, worker, reply_to=None)
        (entry,) = await taken(storage)
        await worker.begin(worker.start_of(entry_task(place), GREETER))
        await settled(storage, [entry], Delivered())
        assert len(await everything(storage)) == 1

    async def test_outbox_keeps_what_a_requeue_changes(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The next life ends by itself, under another id; what is told of the first is what it was."""
        await ended(place, worker, reply_to=None)
        await storage.commands.requeue("t1", "greeter")
        await worker.settle(await worker.claimed(GREETER), succeeded(b"2"))
        first, second = await everything(storage)
        assert (first.run.result, second.run.result) == (b'"done"', b"2")
        assert first.notification_id != second.notification_id

    # --- take ---------------------------------------------------------------------------------------------------------

    async def test_outbox_gives_the_longest_due_first(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Of each kind, up to its own limit."""
        for number in range(3):
            await ended(place, worker, f"t{number}")
            await place.pass_time(0.01)
        some = (await storage.outbox.take({WEBHOOK: 2, REPLY: 0}, 30.0)).entries
        assert [(e.notification.task_id, e.notification.kind) for e in some] == [("t0", WEBHOOK), ("t1", WEBHOOK)]
        assert sorted((e.notification.task_id, e.notification.kind.value) for e in await taken(storage)) == [
            ("t0", "reply"),
            ("t1", "reply"),
            ("t2", "reply"),
            ("t2", "webhook"),
        ]

    async def test_outbox_holds_for_one_taker(
        self, place: Place, storage: Storage, peer: Storage, worker: ScriptedWorker
    ) -> None:
        """Nobody else gets what is held, until the hold is over: then its holder is taken for dead, and can settle
        nothing more."""
        await ended(place, worker, reply_to=None)
        (first,) = await taken(storage, hold_seconds=1.0)
        held = await peer.outbox.take(BOTH, 1.0)
        assert held.entries == ()
        assert held.next_due_seconds is not None
        assert 0.0 < held.next_due_seconds <= 1.0
        await place.pass_time(1.1)
        (second,) = await taken(peer, hold_seconds=30.0)
        assert second.fence > first.fence
        assert await settled(storage, [first], GivenUp("late")) == [False]
        assert await settled(peer, [second], Delivered()) == [True]

    # --- settle -------------------------------------------------------------------------------------------------------

    async def test_outbox_gives_back_what_shall_be_tried_again(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """After its pause, with the attempt in its log."""
        await ended(place, worker, reply_to=None)
        assert await settled(storage, await taken(storage), TryAgain(0.5), status_code=503, seconds=0.25) == [True]
        early = await storage.outbox.take(BOTH, 30.0)
        assert early.entries == ()
        assert early.next_due_seconds is not None
        assert 0.0 < early.next_due_seconds <= 0.5
        await place.pass_time(0.6)
        (entry,) = await taken(storage)
        assert (entry.attempts, entry.status) == (1, OutboxStatus.PENDING)
        (line,) = entry.log
        assert (line.attempt, line.status_code, line.error, line.seconds) == (1, 503, None, 0.25)
        assert line.at is not None

    async def test_outbox_gives_what_is_settled_to_nobody(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Delivered, or given up with the reason; both keep their log."""
        for task_id in ("t1", "t2"):
            await ended(place, worker, task_id, reply_to=None)
        first, second = await taken(storage)
        await settled(storage, [first], Delivered(), status_code=204)
        await settled(storage, [second], GivenUp("enough"), error="no route")
        await place.pass_time(1.0)
        assert await storage.outbox.take(BOTH, 30.0) == TakenEntries()
        failed, delivered = (await storage.outbox.find(OutboxFilter())).entries
        assert (delivered.status, delivered.reason, delivered.log[0].status_code) == ("delivered", None, 204)
        assert (failed.status, failed.reason, failed.log[0].error) == ("failed", "enough", "no route")
        assert failed.settled_at is not None

    async def test_outbox_counts_a_settlement_once(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The same one again, after a lost reply, changes nothing; nor does one of an entry that is not there."""
        await ended(place, worker, reply_to=None)
        (entry,) = await taken(storage)
        assert await settled(storage, [entry, entry], TryAgain(5.0), status_code=500) == [True, False]
        (found,) = (await storage.outbox.find(OutboxFilter())).entries
        assert found.attempts == 1
        unknown = Settlement(notification_id="unknown", fence=1, verdict=Delivered(), attempt=SendAttempt())
        assert list(await storage.outbox.settle([unknown])) == [False]


def entry_task(place: Place) -> Task:
    """The task that `ended` makes, as it comes again."""
    return told_of(place, reply_to=None)
