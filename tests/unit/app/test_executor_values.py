"""The executor: how handlers are called, and what their values become."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from datetime import UTC, datetime

import pytest

from omnidaemon.domain.outcome import ErrorKind, Returned
from tests.unit.app.executor_bench import ExecutorBench
from tests.unit.app.workshop import agent_of

CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")


# --- calling --------------------------------------------------------------------------------------------------------


async def async_echo(payload):
    return payload


async def async_with_context(payload, ctx):
    return [payload, ctx.task_id, ctx.attempt, ctx.agent, ctx.topic, ctx.idempotency_key, dict(ctx.headers)]


def sync_echo(payload):
    return payload


class Callable:
    async def __call__(self, payload):
        return payload


@pytest.mark.parametrize(
    "handler",
    [
        async_echo,
        sync_echo,
        Callable(),
        functools.partial(sync_echo),
        functools.partial(async_echo),
        lambda payload: payload,
        lambda payload: async_echo(payload),  # noqa: PLW0108 - plain itself, and hands back a coroutine
    ],
)
async def test_every_kind_of_callable_gets_the_payload_and_gives_the_result(bench: ExecutorBench, handler):
    """Coroutine functions, plain ones, objects, partials, and a plain one that hands back a coroutine."""
    outcome = await bench.outcome_of(handler, {"name": "Alice"})
    assert isinstance(outcome, Returned)
    assert outcome.value == b'{"name":"Alice"}'


async def test_a_handler_that_asks_for_it_gets_the_context(bench: ExecutorBench):
    """The context names the task, the attempt and a key for calls to other services."""
    outcome = await bench.outcome_of(async_with_context, 7)
    assert isinstance(outcome, Returned)
    assert bench.codec.decode_value(outcome.value) == [7, "t1", 1, "greeter", "greet.user", "t1:greeter:1", {}]


async def test_the_context_publishes_and_logs_on_behalf_of_the_task(bench: ExecutorBench):
    """What a handler publishes is caused by its task; what it logs names the task, through one logger."""

    async def handler(payload, ctx):
        assert ctx.logger is ctx.logger
        assert not ctx.cancelled
        return [ctx.task.task_id, await ctx.publish("next.step", {"a": 1}, idempotency_key="k")]

    outcome = await bench.outcome_of(handler)
    assert isinstance(outcome, Returned)
    assert outcome.value == b'["t1","published"]'
    assert bench.published == [("t1", "next.step", {"a": 1}, {"idempotency_key": "k"})]
    assert bench.says.bound == [{"task_id": "t1", "topic": "greet.user", "agent": "greeter"}]


async def test_plain_functions_run_in_threads_beside_one_another(bench: ExecutorBench):
    """Two blocking handlers wait for each other, so neither can be on the loop or behind the other."""
    both = threading.Barrier(2, timeout=5)

    def meet(payload):
        both.wait()
        return threading.current_thread() is threading.main_thread()

    first, second = bench.give(meet), bench.give(meet)
    for assignment in (first, second):
        outcome = await bench.outcome(assignment)
        assert isinstance(outcome, Returned)
        assert outcome.value == b"false"


@pytest.mark.parametrize("is_async", [True, False])
async def test_handlers_have_the_context_that_the_executor_was_made_in(is_async):
    """Variables set before the start reach a handler, in a thread too, though the engine's thread assigns it; what it
    sets is its own."""
    CALLER.set("the program")
    bench = ExecutorBench()
    CALLER.set("somebody later")

    def plain(payload):
        seen = CALLER.get()
        CALLER.set("a handler")
        return seen

    async def asynchronous(payload):
        return plain(payload)

    for _ in range(2):
        assignment = bench.assignment(agent_of(asynchronous if is_async else plain))
        await asyncio.to_thread(contextvars.Context().run, bench.executor.assign, [assignment])
        outcome = await bench.outcome(assignment)
        assert isinstance(outcome, Returned)
        assert outcome.value == b'"the program"'
    assert CALLER.get() == "somebody later"
    bench.executor.close()


async def test_reports_of_one_turn_of_the_loop_come_together(bench: ExecutorBench):
    """A hundred fast handlers cost one hop to the engine, not a hundred."""
    agent = agent_of(async_echo, concurrency=100)
    bench.executor.assign([bench.assignment(agent, number) for number in range(100)])
    await bench.turns(6)
    assert [len(batch) for batch in bench.batches] == [100]


# --- results --------------------------------------------------------------------------------------------------------


async def test_rich_results_are_encoded(bench: ExecutorBench):
    """What codecs can make into JSON needs no work by the agent's author."""

    async def handler(payload):
        return {"at": datetime(2030, 1, 1, tzinfo=UTC), "raw": b"abc", "set": {1}}

    outcome = await bench.outcome_of(handler)
    assert isinstance(outcome, Returned)
    assert bench.codec.decode_value(outcome.value) == {"at": "2030-01-01T00:00:00+00:00", "raw": "YWJj", "set": [1]}


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no repr either")


class Unencodable:
    def __repr__(self):
        return "<the answer: 42>"


async def test_a_result_that_cannot_be_encoded_is_final_and_keeps_its_repr(bench: ExecutorBench):
    """The call was paid for and another would fare no better; what it gave can still be read."""

    async def handler(payload):
        return {"answer": Unencodable()}

    error, is_final = await bench.failure_of(handler)
    assert is_final
    assert error.kind is ErrorKind.UNENCODABLE
    assert "<the answer: 42>" in error.message
    assert "answer" in error.message.split("\n")[0], "the message says where in the value the trouble is"


async def test_a_result_without_a_repr_is_told_of_too(bench: ExecutorBench):
    """A hostile __repr__ cannot keep the outcome from being reported."""

    async def handler(payload):
        return Unprintable()

    error, is_final = await bench.failure_of(handler)
    assert is_final
    assert "Unprintable" in error.message


async def test_a_long_repr_is_cut(bench: ExecutorBench):
    """An error message stays readable, however large the value was."""

    async def handler(payload):
        return ["x" * 10_000, Unencodable()]

    error, _ = await bench.failure_of(handler)
    assert len(error.message) < 3000
    assert error.message.endswith("…)")


async def test_a_result_above_the_limit_is_final_and_says_how_large_it_was(bench: ExecutorBench):
    """The limit, the size and the setting are named."""

    async def handler(payload):
        return "x" * 1500

    error, is_final = await bench.failure_of(handler)
    assert is_final
    assert "1,502 bytes" in error.message
    assert "1,000" in error.message
    assert "OMNIDAEMON_RESULT_MAX_BYTES" in error.message
