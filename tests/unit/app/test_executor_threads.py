"""The executor: handlers in threads, which cannot be interrupted, and time-outs of both kinds of handlers."""

from __future__ import annotations

import threading

import pytest

from omnidaemon.app.bridge import StopReason
from omnidaemon.app.threads import HandlerThreads
from omnidaemon.domain.outcome import ErrorKind, Failed, Interrupted, Returned
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.handlers import Blocker, Sleeper, has_begun


@pytest.fixture
def blocker():
    handler = Blocker()
    yield handler
    handler.let_go.set()


async def holding_all_threads(bench: ExecutorBench) -> list[Blocker]:
    """Handlers that have begun, one in each thread of the bench."""
    blockers = [Blocker(), Blocker()]
    for each in blockers:
        bench.give(each)
    for each in blockers:
        await has_begun(each)
    return blockers


async def test_a_stopped_plain_handler_is_told_by_its_context_and_reported(bench: ExecutorBench, blocker: Blocker):
    """A thread cannot be interrupted: the handler may look, else a warning names it and it keeps its slot."""
    assignment = bench.give(blocker)
    await has_begun(blocker)
    bench.stop(assignment)
    await bench.until_said("does not stop")
    assert bench.says.having("agent greeter", "was to be cancelled", "keeps its slot")
    assert not bench.reported(assignment)
    assert not bench.executor.close(), "a thread is not free as long as its handler holds it"
    blocker.let_go.set()
    outcome = await bench.outcome(assignment)
    assert isinstance(outcome, Returned)
    assert blocker.saw_cancellation
    assert bench.executor.close()


async def test_a_plain_handler_that_waits_for_a_thread_does_not_begin_once_stopped(bench: ExecutorBench):
    """Threads held by attempts that were lost leave newer ones waiting; those can be stopped before they begin."""
    blockers = await holding_all_threads(bench)
    late = Blocker()
    waiting = bench.give(late, limit=0.01)
    await bench.failure_of(Sleeper(), limit=0.05)
    assert not bench.reported(waiting), "its time-out counted while it waited for a thread"
    bench.stop(waiting)
    await bench.turns()
    for each in blockers:
        each.let_go.set()
    outcome = await bench.outcome(waiting)
    assert isinstance(outcome, Interrupted)
    assert not late.began.is_set()


async def test_a_coroutine_from_a_plain_handler_is_cancelled_like_any_other(bench: ExecutorBench):
    """A lambda around an async method times out where it waits."""
    handler = Sleeper()
    outcome = await bench.outcome_of(lambda payload: handler(payload), limit=0.02)  # noqa: PLW0108 - plain itself
    assert handler.was_cancelled
    assert isinstance(outcome, Failed)
    assert outcome.error.kind is ErrorKind.TIMEOUT


async def test_a_generator_from_a_plain_handler_is_a_value_that_cannot_be_encoded(bench: ExecutorBench):
    """Which is final; it is nothing to be waited for."""
    outcome = await bench.outcome_of(lambda _: (letter for letter in "abc"))
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert outcome.error.kind is ErrorKind.UNENCODABLE
    assert "of type generator" in outcome.error.message


async def test_a_coroutine_that_comes_after_the_stop_is_not_begun(bench: ExecutorBench, blocker: Blocker):
    """What a plain handler hands back once it was stopped is closed, without a warning about it."""
    inner = Sleeper()

    def handler(payload, ctx):
        blocker(payload, ctx)
        return inner(payload)

    assignment = bench.give(handler)
    await has_begun(blocker)
    bench.stop(assignment)
    await bench.turns()
    blocker.let_go.set()
    assert isinstance(await bench.outcome(assignment), Interrupted)
    assert not inner.began.is_set()


async def test_closing_ends_attempts_that_still_wait_for_a_thread(bench: ExecutorBench):
    """They are reported, not forgotten; nothing begins after the close."""
    blockers = await holding_all_threads(bench)
    late = Blocker()
    waiting = bench.give(late)
    await bench.turns()
    bench.executor.close()
    await bench.outcome(waiting)
    for each in blockers:
        each.let_go.set()
    assert not late.began.is_set()


async def test_threads_that_lost_attempts_hold_do_not_keep_others_waiting(blocker: Blocker):
    """Their slots are free, so new runs come in; those get threads beyond them, and the log tells the truth."""
    bench = ExecutorBench(spare_threads=2)
    lost = [bench.give(blocker), bench.give(blocker)]
    await has_begun(blocker)
    for each in lost:
        bench.stop(each, StopReason.LOST)
    await bench.until_said("does not stop", "its slot is free")
    assert not bench.says.having("keeps its slot")
    assert isinstance(await bench.outcome_of(lambda payload: payload, "next"), Returned)
    bench.executor.close()


async def test_a_plain_handler_that_finds_the_threads_closed_is_given_back(bench: ExecutorBench):
    """No attempt is burnt by a worker that is about to end."""
    calls: list[object] = []
    bench.executor.close()
    await bench.turns()
    outcome = await bench.outcome_of(calls.append)
    assert (outcome, calls) == (Interrupted(is_requested=False), [])
    assert bench.says.having("no thread", "given back")


@pytest.mark.parametrize("others", [0, 1])
async def test_a_system_without_threads_makes_calls_wait_or_gives_them_back(
    bench: ExecutorBench, monkeypatch: pytest.MonkeyPatch, others: int
):
    """A call waits for a thread that is there; when there is none, its task is somebody else's. Nothing is run
    twice."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    for _ in range(others):
        await bench.outcome_of(lambda payload: payload)
    calls: list[object] = []
    monkeypatch.setattr(threading.Thread, "start", refuse)
    outcome = await bench.outcome_of(calls.append, "x")
    assert isinstance(outcome, Returned if others else Interrupted)
    assert calls == ["x"] * others


def test_idle_threads_are_used_again():
    """One call at a time takes one thread; what a call raised does not end it."""
    threads = HandlerThreads(5)
    try:
        with pytest.raises(KeyError):
            threads.submit({}.popitem).result(5)
        seen = {threads.submit(threading.get_ident).result(5) for _ in range(20)}
        assert (len(seen), threads.busy) == (1, 0)
    finally:
        threads.close()


# --- time-outs --------------------------------------------------------------------------------------------------------


async def test_an_async_handler_is_cancelled_at_its_time_out(bench: ExecutorBench):
    """The error says how long it had, and its traceback where the handler was."""
    handler = Sleeper()
    error, is_final = await bench.failure_of(handler, limit=0.02)
    assert handler.was_cancelled
    assert not is_final
    assert (error.type, error.kind) == ("Timeout", ErrorKind.TIMEOUT)
    assert "20 ms" in error.message
    assert "handlers.py" in error.traceback.splitlines()[1]


async def test_a_handler_with_no_time_left_is_cancelled_at_its_first_wait(bench: ExecutorBench):
    """What is left of run_timeout may be nothing."""
    error, _ = await bench.failure_of(Sleeper(), limit=0.0)
    assert error.kind is ErrorKind.TIMEOUT


async def test_a_handler_within_its_time_out_is_left_alone(bench: ExecutorBench):
    """The timer of an attempt ends with the attempt."""

    async def handler(payload):
        return 1

    assert isinstance(await bench.outcome_of(handler, limit=0.02), Returned)
    await bench.failure_of(Sleeper(), limit=0.05)  # long enough for a timer that was left behind
    assert not bench.says.lines


async def test_a_plain_handler_past_its_time_out_has_its_value_recorded_late(bench: ExecutorBench, blocker: Blocker):
    """It cannot be stopped; what it gives in the end was paid for."""
    assignment = bench.give(blocker, limit=0.01)
    await bench.until_said("timed out")
    blocker.let_go.set()
    assert isinstance(await bench.outcome(assignment), Returned)


async def test_a_plain_handler_that_raises_past_its_time_out_has_timed_out(bench: ExecutorBench, blocker: Blocker):
    """The time-out is the cause that a person wants to read."""

    def handler(payload, ctx):
        blocker(payload, ctx)
        raise OSError("gave up")

    assignment = bench.give(handler, limit=0.01)
    await bench.until_said("timed out")
    blocker.let_go.set()
    outcome = await bench.outcome(assignment)
    assert isinstance(outcome, Failed)
    assert outcome.error.kind is ErrorKind.TIMEOUT
    assert "OSError: gave up" in outcome.error.traceback
