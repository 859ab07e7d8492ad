"""What every RunStore keeps, the gates finish and release: one outcome per life, under the current fence alone."""

from __future__ import annotations

import pytest

from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts.opening import GREETER, LOGGER, StorageOpening
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded

BOOM = AttemptError(type="ValueError", message="boom", traceback="Traceback …")


async def run_of(storage: Storage, task_id: str = "t1") -> Run:
    """The only run of the task."""
    (run,) = (await storage.queries.records([task_id]))[task_id].runs
    return run


class FinishContract(StorageOpening):
    """finish() and release()."""

    pytestmark = pytest.mark.asyncio

    async def test_finish_records_the_outcome(self, place: Place, storage: Storage, worker: ScriptedWorker) -> None:
        """A value ends the run: result, time and the bus's ack are kept, nobody owns it any more."""
        assert await worker.settle(await worker.begun(place.task(), GREETER), succeeded(b'{"n": 1}'))
        run = await run_of(storage)
        assert (run.state, run.result, run.seconds, run.is_acked) == ("succeeded", b'{"n": 1}', 0.5, True)
        assert (run.owner, run.due_at, run.attempts) == (None, None, 1)
        assert run.finished_at is not None

    async def test_finish_of_many_keeps_apart_what_differs(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """In whatever order they come: what runs went through before, their agents, their results and their history."""
        starts = [worker.start_of(place.task(f"t{i}"), GREETER) for i in range(5)]
        starts.insert(2, worker.start_of(place.task("t0"), LOGGER))
        grants = {grant.run.key: grant for grant in await worker.begin(*starts) if grant is not None}
        for task_id in ("t1", "t3"):
            await worker.release(grants[task_id, GREETER.agent])
            grants[task_id, GREETER.agent] = await worker.claimed(GREETER)
        ends = [outcome(grant, succeeded(f'"{"/".join(key)}"'.encode())) for key, grant in grants.items()]
        assert all(await worker.finish(*ends))
        records = await storage.queries.records([f"t{i}" for i in range(5)])
        runs = [run for record in records.values() for run in record.runs]
        assert {run.key: run.result for run in runs} == {key: f'"{"/".join(key)}"'.encode() for key in grants}
        told = {i: [event.kind for event in await storage.journal.read(task_id=i)] for i in records}
        once, anew = ["started", "succeeded"], ["started", "released", "started", "succeeded"]
        twice = ["started", "started", "succeeded", "succeeded"]
        assert told == {"t0": twice, "t1": anew, "t2": once, "t3": anew, "t4": once}

    async def test_finish_asked_again_is_still_true(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A lost reply costs nothing: the outcome was recorded, once."""
        grant = await worker.begun(place.task(), GREETER)
        finish = outcome(grant, RetryAfter(seconds=0.0, error=BOOM))
        assert list(await worker.finish(finish)) == [True]
        assert list(await worker.finish(finish, again=True)) == [True]
        assert (await run_of(storage)).attempts == 1

    async def test_finish_under_an_old_fence_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """Who lost the grant records nothing, also when the run has ended meanwhile, also the same worker."""
        old = await worker.begun(place.task(), GREETER)
        await worker.release(old)
        new = await rival.claimed(GREETER)
        assert not await worker.settle(old, succeeded(b'"stale"'))
        assert await rival.settle(new, succeeded(b'"right"'))
        assert not await worker.settle(old, succeeded(b'"stale"'))
        assert not await rival.settle(new, succeeded(b'"twice"'))
        assert (await run_of(storage)).result == b'"right"'

    async def test_finish_by_another_worker_is_refused(
        self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """The fence alone is not enough: a grant belongs to an incarnation."""
        grant = await worker.begun(place.task(), GREETER)
        assert not await rival.settle(grant, succeeded())
        assert await worker.settle(grant, succeeded())

    async def test_finish_that_was_overtaken_is_refused(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A call that comes after a later one of its lane changes nothing."""
        grant = await worker.begun(place.task(), GREETER)
        late = worker.request("finish")
        await worker.finish()
        with pytest.raises(StaleRequest):
            await storage.runs.finish(late, [outcome(grant, succeeded())])
        assert (await run_of(storage)).state is RunState.RUNNING

    async def test_finish_of_a_batch_answers_in_order(self, place: Place, worker: ScriptedWorker) -> None:
        """Each answer stands where its finish stood; the same one twice in a batch is recorded once."""
        grants = [await worker.begun(place.task(f"t{number}"), GREETER) for number in range(3)]
        await worker.release(grants[1])
        finishes = [outcome(grant, succeeded()) for grant in grants]
        assert list(await worker.finish(*finishes, finishes[0])) == [True, False, True, False]

    async def test_finish_with_a_retry_comes_due_again(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """After the pause, counting the attempt and keeping its error."""
        grant = await worker.begun(place.task(), GREETER)
        assert await worker.settle(grant, RetryAfter(seconds=0.5, error=BOOM))
        run = await run_of(storage)
        assert (run.state, run.attempts) == ("retrying", 1)
        assert [(error.type, error.message, error.traceback, error.attempt) for error in run.errors] == [
            ("ValueError", "boom", "Traceback …", 1)
        ]
        assert (await worker.claim(worker.limit(GREETER))).grants == ()
        await place.pass_time(0.6)
        again = await worker.claimed(GREETER)
        assert (again.run.attempt, again.run.fence) == (2, 2)

    async def test_finish_with_the_last_error_is_a_dead_letter(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A dead run keeps its task and the errors of all of its attempts."""
        task = place.task(payload=b"[1]")
        await worker.settle(await worker.begun(task, GREETER), RetryAfter(seconds=0.0, error=BOOM))
        await worker.settle(await worker.claimed(GREETER), End(state=RunState.DEAD, error=BOOM))
        (record,) = (await storage.queries.records(["t1"])).values()
        assert (record.runs[0].state, len(record.runs[0].errors)) == ("dead", 2)
        assert record.task == task

    async def test_finish_records_texts_of_any_kind(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """Errors and questions come from people's code: half a surrogate pair or a NUL in one costs no outcome."""
        odd = "half \ud800, NUL \0, é"
        error = AttemptError(type="ValueError", message=odd, traceback=odd)
        assert await worker.settle(await worker.begun(place.task("t1"), GREETER), RetryAfter(seconds=0.0, error=error))
        assert await worker.settle(await worker.begun(place.task("t2"), GREETER), Wait(question=odd, seconds=50))
        (kept,) = (await run_of(storage)).errors
        question = (await run_of(storage, "t2")).question
        for text in (kept.message, kept.traceback, question):
            assert text is not None
            assert text.startswith("half ")
            assert text.endswith(", é")
        assert [event.task_id for event in await storage.journal.read()]

    async def test_finish_with_a_question_waits_for_its_answer(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The run frees its slot; the answer makes it due at once, and goes with the next grant."""
        await worker.settle(await worker.begun(place.task(), GREETER), Wait(question="ok?", seconds=50))
        assert (await run_of(storage)).state is RunState.WAITING
        assert (await worker.claim(worker.limit(GREETER))).grants == ()
        await storage.commands.answer("t1", "greeter", "ok?", b"true")
        assert (await worker.claimed(GREETER)).run.answers == (("ok?", b"true"),)

    async def test_finish_with_a_question_that_expires_takes_the_default(
        self, place: Place, worker: ScriptedWorker
    ) -> None:
        """Nobody answered in time: the default is the answer."""
        wait = Wait(question="ok?", seconds=0.5, default=b"false")
        await worker.settle(await worker.begun(place.task(), GREETER), wait)
        await place.pass_time(0.6)
        assert (await worker.claimed(GREETER)).run.answers == (("ok?", b"false"),)

    async def test_finish_with_a_question_answered_before_goes_on(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """An answer that came before its question is kept for it."""
        grant = await worker.begun(place.task(), GREETER)
        await storage.commands.answer("t1", "greeter", "ok?", b"1")
        await worker.settle(grant, Wait(question="ok?", seconds=50))
        assert (await worker.claimed(GREETER)).run.answers == (("ok?", b"1"),)

    async def test_finish_of_a_cancelled_run_with_a_value_keeps_the_value(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """The first committed end wins: a handler that was done before it was stopped has succeeded."""
        grant = await worker.begun(place.task(), GREETER)
        await storage.commands.cancel("t1")
        assert await worker.settle(grant, succeeded())
        assert (await run_of(storage)).state is RunState.SUCCEEDED

    @pytest.mark.parametrize(
        "decision", [RetryAfter(seconds=1.0), Wait(question="ok?", seconds=1.0)], ids=["retry", "wait"]
    )
    async def test_finish_of_a_cancelled_run_without_an_end_cancels_it(
        self, place: Place, storage: Storage, worker: ScriptedWorker, decision: RetryAfter | Wait
    ) -> None:
        """A flagged run whose attempt does not end it is not tried again."""
        grant = await worker.begun(place.task(), GREETER)
        await storage.commands.cancel("t1")
        assert await worker.settle(grant, decision)
        assert (await run_of(storage)).state is RunState.CANCELLED

    async def test_release_gives_back_uncounted(
        self, place: Place, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """A released run is due at once, for anybody, with no attempt and no crash held against it."""
        grant = await worker.begun(place.task(), GREETER)
        await worker.release(grant)
        taken = await rival.claimed(GREETER)
        assert (taken.run.attempts, taken.run.crashes, taken.run.attempt) == (0, 0, 1)
        assert taken.run.fence > grant.run.fence

    async def test_release_can_be_for_later(self, place: Place, worker: ScriptedWorker) -> None:
        """With a delay, the run is due only after it."""
        await worker.release(await worker.begun(place.task(), GREETER), delay_seconds=0.5)
        assert (await worker.claim(worker.limit(GREETER))).grants == ()
        await place.pass_time(0.6)
        await worker.claimed(GREETER)

    async def test_release_of_a_lost_grant_does_nothing(
        self, place: Place, storage: Storage, worker: ScriptedWorker, rival: ScriptedWorker
    ) -> None:
        """Nor does the same release asked again disturb the new owner."""
        grant = await worker.begun(place.task(), GREETER)
        await worker.release(grant)
        await rival.claimed(GREETER)
        await worker.release(grant, again=True)
        await worker.release(grant)
        run = await run_of(storage)
        assert (run.state, run.owner) == ("running", "w2")

    async def test_release_of_a_cancelled_run_ends_it(
        self, place: Place, storage: Storage, worker: ScriptedWorker
    ) -> None:
        """A flagged run that its draining worker gives back is over."""
        grant = await worker.begun(place.task(), GREETER)
        await storage.commands.cancel("t1")
        await worker.release(grant)
        assert (await run_of(storage)).state is RunState.CANCELLED
