"""The executor: attempts that are stopped, by a person, a draining worker or a lost lease."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from omnidaemon import Retry
from omnidaemon.app.bridge import StopReason
from omnidaemon.domain.outcome import ErrorKind, Failed, Interrupted, Postponed, Returned
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.handlers import Sleeper
from tests.unit.app.workshop import agent_of


@pytest.mark.parametrize(
    ("reason", "is_requested"),
    [(StopReason.REQUESTED, True), (StopReason.DRAINING, False), (StopReason.LOST, False)],
)
async def test_a_stopped_async_handler_is_cancelled(bench: ExecutorBench, reason, is_requested):
    """It is interrupted where it waits; whether a person wanted that is reported."""
    handler = Sleeper()
    assignment = bench.give(handler)
    await handler.began.wait()
    bench.stop(assignment, reason)
    outcome = await bench.outcome(assignment)
    assert handler.was_cancelled
    assert isinstance(outcome, Interrupted)
    assert outcome.is_requested is is_requested


async def test_a_second_stop_changes_nothing(bench: ExecutorBench):
    """The first reason counts, and a handler that cleans up is not cancelled again in the middle of it."""
    has_cleaned_up = False

    async def handler(payload):
        nonlocal has_cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            await bench.turns(5)
            has_cleaned_up = True

    assignment = bench.give(handler)
    await bench.turns()
    bench.stop(assignment, StopReason.REQUESTED)
    bench.stop(assignment, StopReason.DRAINING)
    outcome = await bench.outcome(assignment)
    assert has_cleaned_up
    assert isinstance(outcome, Interrupted)
    assert outcome.is_requested


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_stop_that_comes_with_the_assignment_is_reported_and_nothing_is_executed(
    bench: ExecutorBench, is_async
):
    """After the agents' loop was blocked, both arrive in one turn: the handler must not begin, the slot must not
    leak."""
    calls = []

    def plain(payload):
        calls.append(payload)

    async def asynchronous(payload):
        calls.append(payload)

    assignment = bench.give(asynchronous if is_async else plain)
    bench.stop(assignment)
    outcome = await bench.outcome(assignment)
    assert isinstance(outcome, Interrupted)
    assert outcome.is_requested
    assert not calls


async def test_a_stop_for_an_attempt_that_is_over_is_passed_over(bench: ExecutorBench):
    """It may have crossed with the report."""

    async def handler(payload):
        return 1

    assignment = bench.give(handler)
    await bench.outcome(assignment)
    bench.stop(assignment)
    await bench.turns()
    assert len(bench.reported(assignment)) == 1


async def test_a_newer_grant_of_the_same_run_stops_the_older_attempt(bench: ExecutorBench):
    """A worker that was frozen may be given its own run again: it must not execute it twice at once."""
    old, new = Sleeper(), Sleeper()
    first = bench.assignment(agent_of(old), task_id="t1")
    second = bench.assignment(agent_of(new), task_id="t1", fence=2)
    bench.executor.assign([first])
    await old.began.wait()
    bench.executor.assign([second])
    outcome = await bench.outcome(first)
    assert old.was_cancelled
    assert isinstance(outcome, Interrupted)
    assert not outcome.is_requested
    await new.began.wait()
    bench.stop(second)
    await bench.outcome(second)
    assert new.was_cancelled, "the newer attempt could not be stopped by its key"


async def test_a_handler_that_swallows_the_cancellation_and_returns_has_its_value_recorded(bench: ExecutorBench):
    """The call was paid for; the store decides which end was first."""

    async def handler(payload):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "anyway"

    assignment = bench.give(handler)
    await bench.turns()
    bench.stop(assignment)
    outcome = await bench.outcome(assignment)
    assert isinstance(outcome, Returned)
    assert outcome.value == b'"anyway"'


async def test_a_handler_that_swallows_the_cancellation_and_goes_on_is_reported_once(bench: ExecutorBench):
    """A warning names agent, task and reason, and the attempt keeps its slot until it is over."""
    let_go = asyncio.Event()

    async def stubborn(payload):
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    assignment = bench.give(stubborn, limit=0.01)
    await bench.until_said("does not stop")
    assert bench.says.having("agent greeter", "task t1", "has timed out", "keeps its slot")
    assert not bench.reported(assignment)
    let_go.set()
    outcome = await bench.outcome(assignment)
    assert isinstance(outcome, Returned)
    assert len(bench.says.having("does not stop")) == 1


@pytest.mark.parametrize("reason", list(StopReason))
async def test_an_error_on_the_way_out_is_the_stop_not_a_failure(bench: ExecutorBench, reason):
    """Clients turn a cancellation into an error of their own; that burns no attempt that was not burnt already."""

    async def handler(payload):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise ConnectionError("request aborted") from error

    assignment = bench.give(handler)
    await bench.turns()
    bench.stop(assignment, reason)
    outcome = await bench.outcome(assignment)
    if reason is StopReason.TIMED_OUT:
        assert isinstance(outcome, Failed)
        assert outcome.error.kind is ErrorKind.TIMEOUT
    else:
        assert isinstance(outcome, Interrupted)


async def test_retry_on_the_way_out_is_respected(bench: ExecutorBench):
    """A handler that knows when to be called again may say so while it is being stopped."""

    async def handler(payload):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Retry(after=9) from None

    assignment = bench.give(handler)
    await bench.turns()
    bench.stop(assignment, StopReason.DRAINING)
    assert isinstance(await bench.outcome(assignment), Postponed)


# --- the loop ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns_it_into_an_error", [False, True])
def test_a_loop_that_is_torn_down_burns_no_attempt(turns_it_into_an_error):
    """asyncio.run() cancels what still runs when its main returns: that is no failure of the handler's."""

    async def handler(payload):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            if turns_it_into_an_error:
                raise ConnectionError from error
            raise

    async def main():
        bench = ExecutorBench()
        assignment = bench.give(handler)
        await bench.turns()
        return bench, assignment

    bench, assignment = asyncio.run(main())
    (outcome,) = bench.reported(assignment)
    assert isinstance(outcome, Interrupted)
    assert not outcome.is_requested
    bench.executor.close()


def test_what_comes_for_a_loop_that_is_closed_is_passed_over():
    """The engine learns by its watch that nobody executes any more; until then nothing of it fails."""

    async def main():
        return ExecutorBench()

    bench = asyncio.run(main())
    assignment = bench.give(Sleeper())
    bench.stop(assignment)
    assert not bench.reported(assignment)
    bench.executor.close()


# --- who holds the loop up --------------------------------------------------------------------------------------------


async def test_the_culprit_is_the_agent_whose_code_runs_now(bench: ExecutorBench):
    """Seen from another thread while a handler blocks the loop: agent and task by name."""
    seen = []

    async def blocking(payload):
        watcher = threading.Thread(target=lambda: seen.append(bench.executor.culprit()))
        watcher.start()
        watcher.join()

    await bench.outcome_of(blocking)
    assert seen == ["agent greet.user/greeter (task t1)"]


async def test_the_culprit_is_one_of_those_under_way_or_nobody_known(bench: ExecutorBench):
    """Between two steps of the loop nobody can be named for sure."""
    assert bench.executor.culprit() == "code outside of the agents"
    handler = Sleeper()
    assignment = bench.give(handler)
    await handler.began.wait()
    assert bench.executor.culprit() == "one of the agents greet.user/greeter"
    bench.stop(assignment)
    await bench.outcome(assignment)


async def test_seconds_are_the_handlers_own_time(bench: ExecutorBench):
    """What an attempt is measured by."""

    def handler(payload):
        time.sleep(0.03)

    assignment = bench.give(handler)
    await bench.outcome(assignment)
    assert 0.03 <= bench.reports(assignment)[0].seconds < 3
