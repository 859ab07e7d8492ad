"""The executor: what the exceptions of handlers become."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from omnidaemon import Reject, Retry
from omnidaemon.domain.outcome import ErrorKind, Failed, Postponed
from omnidaemon.domain.values import replace
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.workshop import agent_of


async def async_echo(payload):
    return payload


@pytest.mark.parametrize(("after", "seconds"), [(30, 30.0), (timedelta(minutes=2), 120.0), (0, 0.0), (-1, 0.0)])
@pytest.mark.parametrize("is_async", [True, False])
async def test_retry_postpones(bench: ExecutorBench, is_async, after, seconds):
    """`raise Retry(after=…)` is a request, not a failure; seconds or a timedelta."""

    def plain(payload):
        raise Retry(after=after)

    async def asynchronous(payload):
        plain(payload)

    outcome = await bench.outcome_of(asynchronous if is_async else plain)
    assert isinstance(outcome, Postponed)
    assert outcome.after_seconds == seconds


async def test_reject_is_final(bench: ExecutorBench):
    """`raise Reject("why")` ends the run whatever attempts are left, and says why."""

    async def handler(payload):
        raise Reject("not my kind of task")

    error, is_final = await bench.failure_of(handler)
    assert is_final
    assert (error.type, error.message, error.kind) == ("Rejected", "not my kind of task", ErrorKind.REJECTED)


@pytest.mark.parametrize(
    ("error", "policy", "is_final"),
    [
        (ValueError("x"), {}, False),
        (ValueError("x"), {"no_retry_on": ValueError}, True),
        (ValueError("x"), {"retry_on": OSError}, True),
        (ConnectionError("x"), {"retry_on": OSError}, False),
        (ConnectionError("x"), {"retry_on": OSError, "no_retry_on": ConnectionError}, True),
        (SystemExit(3), {}, True),
        (SystemExit(3), {"retry_on": (Exception, SystemExit)}, False),
        (StopIteration("x"), {}, False),
        (ExceptionGroup("several", [ValueError("x")]), {}, False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_the_policy_says_which_exceptions_are_final(bench: ExecutorBench, is_async, error, policy, is_final):
    """retry_on, no_retry_on and the exceptions that end a process elsewhere; the same on the loop and in a thread."""

    def plain(payload):
        raise error

    async def asynchronous(payload):
        raise error

    failure, was_final = await bench.failure_of(asynchronous if is_async else plain, **policy)
    assert was_final is is_final
    assert failure.kind is ErrorKind.ERROR
    if not isinstance(error, StopIteration):  # which Python itself makes a RuntimeError of, in a coroutine
        assert (failure.type, failure.message) == (type(error).__name__, str(error))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_handler_that_says_the_process_ends_has_failed(bench: ExecutorBench, is_async, kind):
    """Where Ctrl-C does not raise it, it is the handler's own: given back uncounted, it would end worker after
    worker."""

    def plain(payload):
        raise kind("mine")

    async def asynchronous(payload):
        raise kind("mine")

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        failure, _ = await bench.failure_of(asynchronous if is_async else plain)
    finally:
        signal.signal(signal.SIGINT, before)
    assert kind.__name__ in (failure.type if is_async else failure.message)


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_exception_that_derives_from_nothing_usual_is_reported_too(bench: ExecutorBench, is_async):
    """A BaseException of somebody's own must not leave a run without an outcome for ever."""

    class Unusual(BaseException):
        pass

    def plain(payload):
        raise Unusual("odd")

    async def asynchronous(payload):
        plain(payload)

    failure, is_final = await bench.failure_of(asynchronous if is_async else plain)
    assert (failure.type, is_final) == ("Unusual", True)


async def test_an_exception_that_cannot_be_printed_is_told_of(bench: ExecutorBench):
    """A __str__ that raises cannot keep the outcome from being reported."""

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    async def handler(payload):
        raise Silent

    error, _ = await bench.failure_of(handler)
    assert error.type == "Silent"
    assert "cannot be printed" in error.message
    assert "Silent" in error.traceback


async def test_an_exception_whose_traceback_cannot_be_formatted_is_told_of(bench: ExecutorBench):
    """Not even hostile notes keep an outcome from being reported."""

    class Hostile(Exception):
        @property
        def __notes__(self):  # type: ignore[override]  # hostile on purpose
            raise RuntimeError("no notes")

    async def handler(payload):
        raise Hostile("still readable")

    error, _ = await bench.failure_of(handler)
    assert (error.type, error.message) == ("Hostile", "still readable")


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_traceback_begins_in_the_agents_own_code(bench: ExecutorBench, is_async):
    """How the handler came to be called is of no interest to its author."""

    def plain(payload):
        raise KeyError("missing")

    async def asynchronous(payload):
        raise KeyError("missing")

    error, _ = await bench.failure_of(asynchronous if is_async else plain)
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert __file__ in lines[1]
    assert "executor.py" not in error.traceback
    assert lines[-1] == "KeyError: 'missing'"


async def test_a_deep_traceback_keeps_its_end(bench: ExecutorBench):
    """Where it was raised matters most; a recursion of hundreds of frames is cut at its beginning."""

    def dive(depth):
        if not depth:
            raise ValueError("bottom")
        dive(depth - 1)

    async def handler(payload):
        dive(300)

    error, _ = await bench.failure_of(handler)
    assert len(error.traceback.splitlines()) < 200
    assert "bottom" in error.traceback


@pytest.mark.parametrize("is_async", [True, False])
async def test_causes_show_the_agents_own_code_only_too(bench: ExecutorBench, is_async):
    """Every part of a chain, and the members of a group, begin in the agent's code."""

    def plain(payload):
        raise StopIteration("over")

    async def asynchronous(payload):
        try:
            plain(payload)
        except StopIteration as error:
            raise ExceptionGroup("several", [ValueError("x")]) from error

    error, _ = await bench.failure_of(asynchronous if is_async else plain)
    assert "StopIteration: over" in error.traceback
    assert "executor.py" not in error.traceback
    assert "threads.py" not in error.traceback


async def test_an_error_text_can_be_stored_whatever_is_in_it(bench: ExecutorBench):
    """No lone surrogate and no NUL: a store that keeps UTF-8 text would choke on them, and on all that comes with
    it."""

    async def handler(payload):
        raise ValueError("a\udc80b\0c")

    error, _ = await bench.failure_of(handler)
    assert error.message == r"a\udc80b\x00c"
    assert r"ValueError: a\udc80b\x00c" in error.traceback
    assert "\0" not in error.traceback
    assert error.traceback.encode()


async def test_error_texts_are_bounded(bench: ExecutorBench):
    """Of a message the beginning, of a traceback both ends."""

    async def handler(payload):
        raise ValueError("first " + "\udc80" * 1_000_000 + " last")

    error, _ = await bench.failure_of(handler)
    assert len(error.message) == 10_000
    assert error.message.startswith("first ")
    assert error.message.endswith("…")
    assert len(error.traceback) <= 50_000
    assert error.traceback.startswith("Traceback")
    assert error.traceback.endswith(" last\n")


async def test_a_handler_that_raises_cancellation_itself_has_failed(bench: ExecutorBench):
    """Nobody asked it to stop, so it is an attempt like any other, and the task of the loop goes on to report it."""

    async def handler(payload):
        raise asyncio.CancelledError

    outcome = await bench.outcome_of(handler)
    assert isinstance(outcome, Failed)
    assert outcome.error.type == "CancelledError"
    assert not outcome.is_final


async def test_a_payload_that_is_no_json_fails_the_attempt(bench: ExecutorBench):
    """A task whose payload was damaged fails like a handler that raised, and is told of."""
    whole = bench.assignment(agent_of(async_echo))
    damaged = replace(whole, task=replace(whole.task, payload=b"{not json"))
    bench.executor.assign([damaged])
    outcome = await bench.outcome(damaged)
    assert isinstance(outcome, Failed)
