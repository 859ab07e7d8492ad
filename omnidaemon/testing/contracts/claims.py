"""What every RunStore keeps, the gates claim_due and renew: who gets what is due, and when a lease has lapsed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.policy import RetryAfter
from omnidaemon.domain.requests import HoldRun
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening, live_on
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import CRASH_LIMIT, LEASE_SECONDS, ScriptedWorker, states, succeeded


def _hold(place: Place, task_id: str, delay_seconds: float = 0.0) -> HoldRun:
    return HoldRun(task=place.task(task_id), subscription=GREETER, delay_seconds=delay_seconds)


class ClaimContract(StorageOpening):
    """claim_due() and renew()."""

    pytestmark = pytest.mark.asyncio

    async def test_claim_takes_the_longest_due_first(self, place: Place, worker: ScriptedWorker) -> None:
        """Up to the agent's slots, in the order of their due times."""
        await worker.begin(_hold(place, "late", 0.3), _hold(place, "early", 0.1), _hold(place, "middle", 0.2))
        await place.pass_time(0.4)
        first = await worker.claim(worker.limit(GREETER, slots=2))
        assert [grant.run.task_id for grant in first.grants] == ["early", "middle"]
        assert (await worker.claimed(GREETER)).run.task_id == "late"

    async def test_claim_takes_only_the_agents_named(self, place: Place, worker: ScriptedWorker) -> None:
        """Another agent's due run, and one without free slots, stay."""
        await worker.begin(_hold(place, "t1"), HoldRun(task=place.task("t1"), subscription=LOGGER))
        claims = await worker.claim(worker.limit(LOGGER), worker.limit(GREETER, slots=0))
        assert [grant.run.subscription for grant in claims.grants] == [LOGGER]

    async def test_claim_asked_again_gives_the_same_grants(self, place: Place, worker: ScriptedWorker) -> None:
        """A lost reply costs nothing, and nothing that came due meanwhile is mixed in."""
        await worker.begin(_hold(place, "t1"))
        first = await worker.claim(worker.limit(GREETER, slots=5))
        await worker.begin(_hold(place, "t2"))
        again = await worker.claim(worker.limit(GREETER, slots=5), again=True)
        assert (
            [grant.run.key for grant in again.grants]
            == [grant.run.key for grant in first.grants]
            == [("t1", "greeter")]
        )
        assert [grant.run.fence for grant in again.grants] == [grant.run.fence for grant in first.grants]

    async def test_claim_that_was_overtaken_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A call that was delayed on a dead connection grants nothing."""
        late = worker.request("claim")
        await worker.claim()
        await worker.begin(_hold(place, "t1"))
        with pytest.raises(StaleRequest):
            await storage.runs.claim_due(late, [worker.limit(GREETER)], worker.leases)
        assert states((await storage.queries.records(["t1"]))["t1"].runs) == {"greeter": "queued"}

    async def test_claims_at_once_share_what_is_due(
        self, place: Place, storage: Storage, peer: Storage, worker: ScriptedWorker
    ) -> None:
        """Six workers on two connections that claim at once get each of thirty runs once."""
        await worker.begin(*(_hold(place, f"t{number}") for number in range(30)))
        workers = [ScriptedWorker((storage, peer)[number % 2].runs, f"w{number}") for number in range(6)]
        claims = await asyncio.gather(*(each.claim(each.limit(GREETER, slots=10)) for each in workers))
        claimed = sorted(grant.run.task_id for each in claims for grant in each.grants)
        assert claimed == sorted(f"t{number}" for number in range(30))

    async def test_claim_says_when_to_come_again(self, place: Place, worker: ScriptedWorker) -> None:
        """The seconds to the next due time of these agents, at most a minute; never beyond the first lapse."""
        limit = worker.limit(GREETER)
        idle = (await worker.claim(limit)).next_due_seconds
        assert idle is None or idle <= 60
        await worker.begin(_hold(place, "t1", 1.5))
        due = (await worker.claim(limit)).next_due_seconds
        assert due is not None
        assert 0.0 <= due <= 1.5
        await worker.begun(place.task("t2"), LOGGER)
        await worker.begin(_hold(place, "t3", 50))
        lapse = (await worker.claim(worker.limit(GREETER, slots=0))).next_due_seconds
        assert lapse is not None
        assert lapse <= LEASE_SECONDS

    async def test_lapsed_run_is_taken_over(self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker) -> None:
        """A worker that lets its lease run out loses the run: a crash is counted and kept, the fence grows."""
        lost = await worker.begun(place.task(), GREETER)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        grant = await rival.claimed(GREETER)
        assert (grant.run.owner, grant.run.crashes, grant.run.attempts) == ("w2", 1, 0)
        assert grant.run.fence > lost.run.fence
        assert [error.kind for error in grant.run.errors] == ["crash"]
        assert (await worker.renew(lost)).lost == {lost.run.key}
        assert not await worker.settle(lost, succeeded())

    async def test_history_of_a_run_that_is_taken_over_tells_all(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """That it crashed too, though the claim that finds it so starts it again at once."""
        await worker.begun(place.task("t1"), GREETER)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        await rival.claimed(GREETER)
        told = [event.kind for event in await storage.journal.read(task_id="t1")]
        assert told == [EventKind.STARTED, EventKind.CRASHED, EventKind.STARTED]

    async def test_renewed_run_is_kept(self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker) -> None:
        """A lease that is renewed in time lasts, however long the handler takes."""
        grant = await worker.begun(place.task(), GREETER)
        for _ in range(3):
            await live_on(place, rival, LEASE_SECONDS / 2)
            renewals = await worker.renew(grant)
            assert not renewals.lost
            assert not renewals.cancelled
            assert (await rival.claim(rival.limit(GREETER))).grants == ()

    async def test_nothing_lapses_after_the_store_was_away(
        self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """After a gap in which nobody was heard, owners get the longest lease to renew before leases are judged."""
        grant = await worker.begun(place.task(), GREETER)
        await rival.renew()
        await place.pass_time(LEASE_SECONDS * 1.5)
        assert (await rival.claim(rival.limit(GREETER))).grants == ()
        assert not (await worker.renew(grant)).lost

    async def test_grace_after_a_gap_ends(self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker) -> None:
        """Who has not renewed when the grace is over is taken for dead."""
        await worker.begun(place.task(), GREETER)
        await rival.renew()
        await place.pass_time(LEASE_SECONDS * 1.5)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        assert (await rival.claimed(GREETER)).run.crashes == 1

    async def test_long_lease_holds_up_no_other(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """After a gap each run has a grace of its own lease's length, whatever the leases of others are."""
        await worker.begun(place.task(), GREETER)
        patient = ScriptedWorker(storage.runs, "w3", lease_seconds=20 * LEASE_SECONDS)
        await patient.begun(place.task("t2"), LOGGER)
        await patient.renew()
        await rival.renew()
        await place.pass_time(LEASE_SECONDS * 1.5)
        await live_on(place, rival, LEASE_SECONDS * 0.75)
        assert (await rival.claim(rival.limit(GREETER))).grants == ()
        await live_on(place, rival, LEASE_SECONDS * 0.5)
        pause = (await rival.claim(rival.limit(LOGGER))).next_due_seconds
        assert pause is not None
        assert pause > LEASE_SECONDS
        assert (await rival.claimed(GREETER)).run.crashes == 1
        assert states((await storage.queries.records(["t2"]))["t2"].runs) == {"logger": "running"}

    async def test_lapses_of_other_agents_are_swept(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """Any worker's claim makes lapsed runs due, also those of agents that it does not run."""
        await worker.begun(place.task(), GREETER)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        assert (await rival.claim(rival.limit(LOGGER))).grants == ()
        assert states((await storage.queries.records(["t1"]))["t1"].runs) == {"greeter": "retrying"}

    async def test_lapsed_run_that_was_cancelled_ends(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """A flagged run whose owner dies is cancelled, not run again."""
        await worker.begun(place.task(), GREETER)
        await storage.commands.cancel("t1")
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        assert (await rival.claim(rival.limit(GREETER))).grants == ()
        assert states((await storage.queries.records(["t1"]))["t1"].runs) == {"greeter": "cancelled"}

    async def test_last_chance_goes_alone_to_an_idle_worker(
        self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """A busy caller is told of a run at its last chance and does not get it; an idle one gets it and nothing
        else."""
        await worker.begun(place.task("poison"), GREETER)
        for _ in range(CRASH_LIMIT - 2):
            await live_on(place, rival, LEASE_SECONDS * 1.25)
            await rival.claimed(GREETER)
        await live_on(place, rival, LEASE_SECONDS * 1.25)
        await rival.begin(_hold(place, "good"))
        busy = await rival.claim(rival.limit(GREETER, slots=5))
        assert busy.has_last_chance
        assert [grant.run.task_id for grant in busy.grants] == ["good"]
        idle = await rival.claim(rival.limit(GREETER, slots=5), is_idle=True)
        assert [(grant.run.task_id, grant.run.crashes) for grant in idle.grants] == [("poison", CRASH_LIMIT - 1)]

    async def test_renew_tells_of_a_cancellation(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """The owner of a run that somebody cancelled learns it with its next renewal, and keeps the grant."""
        one, two = await worker.begun(place.task("t1"), GREETER), await worker.begun(place.task("t2"), GREETER)
        await storage.commands.cancel("t1")
        renewals = await worker.renew(one, two)
        assert renewals.cancelled == {one.run.key}
        assert renewals.lost == frozenset()

    async def test_renew_knows_an_older_fence(self, place: Place, worker: ScriptedWorker) -> None:
        """A grant that the same worker has given up and got again is not the old one."""
        old = await worker.begun(place.task(), GREETER)
        await worker.settle(old, RetryAfter(seconds=0.0))
        new = await worker.claimed(GREETER)
        assert (await worker.renew(old)).lost == {old.run.key}
        assert (await worker.renew(new)).lost == frozenset()

    async def test_wakeups_hint_at_what_workers_have_to_do(
        self, place: Place, storage: Storage, rival: ScriptedWorker
    ) -> None:
        """A retry, a cancellation of what runs, an end that has to be told, a delayed task."""
        retried, told = [
            await rival.begun(each, GREETER) for each in (place.task("t1"), place.task("t2", reply_to="r"))
        ]
        await rival.begun(place.task("t3"), GREETER)
        wakeups = storage.runs.wakeups()
        await eventually(lambda: wakeups.wait(0), lambda was_hinted: not was_hinted)
        delayed = place.task("t4", due_at=place.now() + timedelta(seconds=60))
        for change in (
            rival.settle(retried, RetryAfter(seconds=60)),
            rival.settle(told, succeeded()),
            storage.commands.cancel("t3"),
            storage.schedules.put([delayed]),
        ):
            await change
            assert await asyncio.wait_for(wakeups.wait(60), 10)
            await eventually(lambda: wakeups.wait(0), lambda was_hinted: not was_hinted)
        wakeups.close()

    async def test_news_hint_at_ends(self, place: Place, storage: Storage, rival: ScriptedWorker) -> None:
        """Whoever follows what happens hears of them soon."""
        grant = await rival.begun(place.task(), GREETER)
        news = storage.runs.news()
        await eventually(lambda: news.wait(0), lambda was_hinted: not was_hinted)
        await rival.settle(grant, succeeded())
        assert await asyncio.wait_for(news.wait(60), 10)
        news.close()

    async def test_wakeups_hint_at_what_comes_due(self, place: Place, storage: Storage, rival: ScriptedWorker) -> None:
        """A listener hears soon when a worker elsewhere gives a run back, and its wait ends when it is closed."""
        wakeups = storage.runs.wakeups()
        grant = await rival.begun(place.task(), GREETER)
        await rival.release(grant)
        assert await asyncio.wait_for(wakeups.wait(60), 10)
        await eventually(lambda: wakeups.wait(0), lambda was_hinted: not was_hinted)
        last = asyncio.ensure_future(wakeups.wait(60))
        await asyncio.sleep(0)
        wakeups.close()
        await asyncio.wait_for(last, 10)
