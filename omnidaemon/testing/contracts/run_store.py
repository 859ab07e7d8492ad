"""What every RunStore keeps, the gate begin: custody is taken once, whoever asks and however often."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.requests import EndRun, HoldRun
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.claims import ClaimContract
from omnidaemon.testing.contracts.endings import EndingsContract
from omnidaemon.testing.contracts.finishes import FinishContract
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, states, succeeded


class BeginContract(StorageOpening):
    """begin()."""

    pytestmark = pytest.mark.asyncio

    async def test_begin_grants_a_run_that_is_absent(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The first begin of a task by an agent inserts the run and grants it to the caller, with the task whole."""
        task = place.task("t1", payload=b'{"name": "Alice"}', headers={"a": "b"}, correlation_id="c")
        grant = await worker.begun(task, GREETER)
        assert grant.task == task
        assert (grant.run.state, grant.run.owner, grant.run.fence, grant.run.attempt) == ("running", "w1", 1, 1)
        assert (await storage.queries.records(["t1"]))["t1"].runs == (grant.run,)

    async def test_begin_is_for_each_agent(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """Two agents of one topic have a run each of the same task."""
        task = place.task()
        grants = await worker.begin(worker.start_of(task, GREETER), worker.start_of(task, LOGGER))
        assert all(grants)
        (record,) = (await storage.queries.records(["t1"])).values()
        assert states(record.runs) == {"greeter": "running", "logger": "running"}

    async def test_begin_drops_what_is_known(self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker) -> None:
        """A second delivery is answered with None while the run runs, to its own worker as to another."""
        task = place.task()
        await worker.begun(task, GREETER)
        assert list(await rival.begin(rival.start_of(task, GREETER))) == [None]
        assert list(await worker.begin(worker.start_of(task, GREETER))) == [None]

    async def test_begin_drops_what_has_ended(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """A delivery that comes after the end changes nothing."""
        task = place.task()
        await worker.settle(await worker.begun(task, GREETER), succeeded())
        before = await storage.queries.records(["t1"])
        assert list(await rival.begin(rival.start_of(task, GREETER))) == [None]
        assert await storage.queries.records(["t1"]) == before

    async def test_begin_asked_again_gives_the_same_grants(self, place: Place, worker: ScriptedWorker) -> None:
        """A lost reply costs nothing: the same request has the same answer."""
        intakes = [worker.start_of(place.task(task_id), GREETER) for task_id in ("t1", "t2")]
        first = await worker.begin(*intakes)
        assert list(await worker.begin(*intakes, again=True)) == list(first)

    async def test_begin_grants_a_duplicate_in_one_batch_once(self, place: Place, worker: ScriptedWorker) -> None:
        """The same delivery twice in a batch is one run."""
        intake = worker.start_of(place.task(), GREETER)
        first, second = await worker.begin(intake, intake)
        assert first is not None
        assert second is None

    async def test_begin_that_was_overtaken_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A call that was delayed until a later one of its lane was answered grants nothing."""
        late = worker.request("begin")
        await worker.begun(place.task("t2"), GREETER)
        with pytest.raises(StaleRequest):
            await storage.runs.begin(late, [worker.start_of(place.task("t1"), GREETER)])
        assert await storage.queries.records(["t1"]) == {}

    async def test_begin_by_many_at_once_grants_once(self, place: Place, storage: Storage, peer: Storage) -> None:
        """Of ten workers on two connections that begin the same twenty tasks at once, one gets each."""
        tasks = [place.task(f"t{number}") for number in range(20)]
        workers = [ScriptedWorker((storage, peer)[number % 2].runs, f"w{number}") for number in range(10)]
        answers = await asyncio.gather(
            *(worker.begin(*(worker.start_of(task, GREETER) for task in tasks)) for worker in workers)
        )
        owners = [[grant.run.owner for grant in column if grant] for column in zip(*answers, strict=True)]
        assert [len(each) for each in owners] == [1] * 20

    async def test_hold_keeps_a_run_for_later(
        self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """A held run is granted to nobody now; it is due after its delay, for anybody."""
        hold = HoldRun(task=place.task(), subscription=GREETER, delay_seconds=1.0)
        assert list(await worker.begin(hold)) == [None]
        assert (await worker.claim(worker.limit(GREETER))).grants == ()
        await place.pass_time(1.1)
        grant = await rival.claimed(GREETER)
        assert (grant.run.task_id, grant.run.attempt, grant.run.crashes) == ("t1", 1, 0)

    async def test_hold_keeps_the_bytes_of_a_newer_schema(self, worker: ScriptedWorker, rival: ScriptedWorker) -> None:
        """What this worker cannot read waits whole for one that can."""
        raw = Unreadable(task_id="t1", topic=GREETER.topic, raw=b"\x00\xff{", reason="schema 9", is_newer=True)
        await worker.begin(HoldRun(task=raw, subscription=GREETER))
        assert (await rival.claimed(GREETER)).task == raw

    async def test_end_records_a_run_that_never_ran(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Skipped tasks and garbage are ends from the start, with their error and their raw bytes."""
        raw = Unreadable(task_id="t2", topic=GREETER.topic, raw=b"\xff\x00", reason="not JSON")
        error = AttemptError(type="Undecodable", message="not JSON", kind=ErrorKind.UNDECODABLE)
        answers = await worker.begin(
            EndRun(task=place.task("t1"), subscription=GREETER, state=RunState.SKIPPED),
            EndRun(task=raw, subscription=GREETER, state=RunState.DEAD, error=error),
        )
        assert list(answers) == [None, None]
        records = await storage.queries.records(["t1", "t2"])
        assert [records[task_id].runs[0].state for task_id in ("t1", "t2")] == ["skipped", "dead"]
        assert records["t2"].task == raw
        (kept,) = records["t2"].runs[0].errors
        assert attrs.evolve(kept, at=None) == error

    async def test_begin_ends_what_was_cancelled_before(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A task that was cancelled as a whole is never executed, also when an agent joins later."""
        task = place.task()
        await storage.log.add([task])
        await storage.commands.cancel("t1")
        assert list(await worker.begin(worker.start_of(task, GREETER))) == [None]
        assert states((await storage.queries.records(["t1"]))["t1"].runs) == {"greeter": "cancelled"}

    async def test_begin_of_a_mixed_batch_answers_in_order(self, place: Place, worker: ScriptedWorker) -> None:
        """Each answer stands where its intake stood."""
        await worker.begun(place.task("known"), GREETER)
        answers = await worker.begin(
            HoldRun(task=place.task("held"), subscription=GREETER),
            worker.start_of(place.task("fresh"), GREETER),
            worker.start_of(place.task("known"), GREETER),
            worker.start_of(place.task("fresh too"), GREETER),
        )
        assert [grant.run.task_id if grant else None for grant in answers] == [None, "fresh", None, "fresh too"]


class RunStoreContract(BeginContract, ClaimContract, FinishContract, EndingsContract):
    """All gates of a RunStore: begin here, claim_due and renew in `claims`, finish and release in `finishes`; what is
    told of ends in `endings`."""
