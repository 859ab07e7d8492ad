"""The SDK: registering, embedding, publishing, reading, blocking."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator

import pytest

from omnidaemon import Context, OmniDaemonSDK
from omnidaemon.app.agents import NotAHandler
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.domain.errors import (
    AgentFileError,
    AgentNotFound,
    AlreadyStarted,
    BlockingCall,
    DuplicateAgent,
    InvalidInput,
    InvalidName,
    InvalidValue,
    TaskNotFound,
    WaitTimedOut,
    WorkerNotFound,
)
from omnidaemon.domain.journal import JournalEvent


@pytest.fixture
def sdk() -> OmniDaemonSDK:
    """An SDK in memory."""
    return OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))


@pytest.fixture
def greeting(sdk: OmniDaemonSDK) -> OmniDaemonSDK:
    """An SDK in memory with an agent that greets."""

    @sdk.agent("greet", description="Says hello", tools=["wave", print])
    async def greeter(payload: str) -> str:
        return f"Hello, {payload}!"

    return sdk


async def test_embedded_in_a_loop(greeting: OmniDaemonSDK) -> None:
    """`async with sdk` runs the agents on the caller's own loop, and publishing and reading go on beside."""
    async with greeting as sdk:
        task_id = await sdk.publish_task("greet", "Alice")
        result = await sdk.wait_for_result(task_id, timeout=10)
        again = await sdk.get_result(task_id)

    assert str(result).splitlines()[-1] == "'Hello, Alice!'"
    assert again == result


async def test_the_decorator_returns_the_function(sdk: OmniDaemonSDK) -> None:
    """An agent can still be called as the function that it is."""

    @sdk.agent("double")
    def double(payload: int) -> int:
        return 2 * payload

    assert double(4) == 8


async def test_handlers_of_every_kind(sdk: OmniDaemonSDK) -> None:
    """Functions, coroutine functions, partials, callable objects and bound methods, with a context or without."""

    class Shop:
        async def sell(self, payload: int, ctx: Context) -> list[object]:
            return [payload, ctx.agent]

        def __call__(self, payload: int) -> int:
            return payload + 1

    async def add(more: int, payload: int) -> int:
        return payload + more

    await sdk.register_agent("n", Shop().sell)
    await sdk.register_agent("n", Shop(), name="object")
    await sdk.register_agent("n", functools.partial(add, 5), name="partial")
    await sdk.register_agent("n", lambda payload: payload * 10, name="lambda")
    async with sdk:
        result = await sdk.wait_for_result(await sdk.publish_task("n", 1), timeout=10)

    assert result.result == {"sell": [1, "sell"], "object": 2, "partial": 6, "lambda": 10}


@pytest.mark.parametrize(
    ("register", "error", "words"),
    [
        (lambda sdk: sdk.agent("bad topic")(print), InvalidName, "not a valid topic"),
        (lambda sdk: sdk.agent("t", name="a/b")(print), InvalidName, "not a valid agent name"),
        (lambda sdk: sdk.agent("t")(lambda payload: payload), InvalidValue, "name="),
        (lambda sdk: sdk.agent("greet")(_named("greeter")), DuplicateAgent, "registered twice"),
        (lambda sdk: sdk.agent("t", concurrency=0)(print), InvalidValue, "concurrency"),
        (lambda sdk: sdk.agent("t", concurrency=True)(print), InvalidValue, "concurrency"),
        (lambda sdk: sdk.agent("t", concurrency=1.5)(print), InvalidValue, "concurrency"),
        (lambda sdk: sdk.agent("t", policy={"max_attempts": 1})(print), InvalidValue, "a DeliveryPolicy"),
        (lambda sdk: sdk.agent("t", tools="search")(print), InvalidValue, "a list of tools"),
        (lambda sdk: sdk.agent("t", when_stopped="drop")(print), InvalidValue, "'hold' or 'skip'"),
        (lambda sdk: sdk.agent("t", name="x")("no function"), NotAHandler, "not callable"),
        (lambda sdk: sdk.agent("t", name="x")(lambda: 1), NotAHandler, r"\(payload\)"),
        (lambda sdk: sdk.agent("t")(_generator), NotAHandler, "generator"),
    ],
)
def test_bad_agents_are_refused(greeting, register, error, words) -> None:
    """What cannot be an agent is refused where it is registered, with what to do."""
    with pytest.raises(error, match=words):
        register(greeting)


def _named(name: str):
    def handler(payload: object) -> object:
        return payload

    handler.__name__ = name
    return handler


def _generator(payload: object) -> Iterator[object]:
    yield payload


async def test_hooks_run_on_the_agents_loop(greeting: OmniDaemonSDK) -> None:
    """Start-up hooks run before the first task, shutdown hooks after the last, on the loop of the agents."""
    seen: list[object] = []

    @greeting.on_startup
    async def begin() -> None:
        seen.append(asyncio.get_running_loop())

    @greeting.on_shutdown
    def end() -> None:
        seen.append("end")

    async with greeting:
        assert seen == [asyncio.get_running_loop()]
    assert seen[1:] == ["end"]


async def test_a_failing_start_leaves_nothing_behind(greeting: OmniDaemonSDK) -> None:
    """When a start-up hook raises, the SDK is not started, and can be once the reason is gone."""
    reasons = ["no model"]

    @greeting.on_startup
    def load() -> None:
        if reasons:
            raise OSError(reasons.pop())

    with pytest.raises(OSError, match="no model"):
        await greeting.start()
    async with greeting:
        with pytest.raises(AlreadyStarted):
            await greeting.start()


async def test_what_is_not_there(greeting: OmniDaemonSDK) -> None:
    """Unknown tasks and agents: None where one looks, a typed error where one acts."""
    async with greeting as sdk:
        assert await sdk.get_result("nothing") is None
        assert await sdk.get_task("nothing") is None
        with pytest.raises(TaskNotFound):
            await sdk.wait_for_result("nothing", timeout=1)
        with pytest.raises(TaskNotFound):
            await sdk.cancel_task("nothing")
        with pytest.raises(AgentNotFound):
            await sdk.stop_agent("greet", "nobody")
        task_id = await sdk.publish_task("nobody.listens", 1)
        with pytest.raises(WaitTimedOut):
            await sdk.wait_for_result(task_id, timeout=0.05)
        with pytest.raises(InvalidValue, match="limit"):
            await sdk.list_tasks(limit=0)
        for odd in ("\udcff", "a/b", "", "x" * 201):
            assert await sdk.get_result(odd) is None
            assert await sdk.get_task(odd) is None
            with pytest.raises(TaskNotFound):
                await sdk.requeue_task(odd)
            with pytest.raises(InvalidName):
                await sdk.list_tasks(topic=odd)
        with pytest.raises(InvalidValue, match="limit"):
            await sdk.list_tasks(limit="5")  # type: ignore[arg-type]  # as somebody may write it
        with pytest.raises(InvalidValue, match="one of scheduled"):
            await sdk.list_tasks(status="finished")


async def test_agents_can_be_looked_at_and_stopped(greeting: OmniDaemonSDK) -> None:
    """A stopped agent leaves its tasks waiting; started again, it handles them."""
    async with greeting as sdk:
        (agent,) = await sdk.list_agents()
        assert (agent.topic, agent.name, agent.status, agent.workers) == ("greet", "greeter", "running", 1)
        assert (agent.description, agent.tools) == ("Says hello", ("wave", "print"))
        await sdk.stop_all_agents()
        assert (await sdk.get_agent("greet", "greeter")).status == "stopped"
        await sdk.start_all_agents()
        result = await sdk.wait_for_result(await sdk.publish_task("greet", "Bob"), timeout=10)
        assert result.result == "Hello, Bob!"
        assert (await sdk.list_workers())[0].report.subscriptions[0].topic == "greet"
        assert (await sdk.health()).status == "degraded"
        assert [metrics.tasks_processed for metrics in (await sdk.metrics()).values()] == [1]


def test_blocking_calls(greeting: OmniDaemonSDK) -> None:
    """Scripts publish and read without a loop of their own; the worker runs elsewhere."""
    ids = greeting.sync.publish_tasks([("greet", "Carol"), ("greet", "Dave")])
    assert {r.task_id: r.status for r in greeting.sync.list_tasks().results} == dict.fromkeys(ids, "queued")
    greeting.sync.cancel_task(ids[0])
    cancelled = greeting.sync.get_result(ids[0])
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    assert [r.task_id for r in greeting.sync.list_tasks(status="queued").results] == [ids[1]]
    greeting.sync.close()
    greeting.sync.close()


async def test_blocking_calls_refuse_to_block_a_loop(greeting: OmniDaemonSDK) -> None:
    """On a thread that runs an event loop, the blocking face says which call to make instead."""
    with pytest.raises(BlockingCall, match=r"sdk\.sync blocks.*await the same call") as sync:
        greeting.sync.health()
    with pytest.raises(BlockingCall, match=r"sdk\.run\(\) blocks.*use `async with sdk` here") as run:
        greeting.run()
    assert (sync.value.__context__, run.value.__context__) == (None, None)


def test_errors_of_blocking_calls_carry_no_other(greeting: OmniDaemonSDK) -> None:
    """Their traceback is about the call alone."""
    with pytest.raises(TaskNotFound) as raised:
        greeting.sync.cancel_task("nothing")
    assert raised.value.__context__ is None
    greeting.sync.close()


def test_running_no_agents_is_refused(sdk: OmniDaemonSDK) -> None:
    """As by `omni run`: it would be ready for ever, and do nothing."""
    with pytest.raises(AgentFileError, match=r"its SDK has no agents; decorate a function with `@sdk\.agent"):
        sdk.run()


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("greed", "listen.* greed; did you mean greet[?]; looked in bus memory"),
        ("greet", "still queued after 50 ms: no worker runs its agent greeter"),
    ],
)
async def test_a_wait_in_vain_says_why(greeting: OmniDaemonSDK, topic: str, reason: str) -> None:
    """Where nobody takes the task up, as the command does."""
    async with greeting:
        pass
    with pytest.raises(WaitTimedOut, match=reason) as raised:
        await greeting.wait_for_result(await greeting.publish_task(topic, 1), timeout=0.05)
    assert raised.value.__context__ is None
    await greeting.close()


def test_one_sdk_over_several_loops(greeting: OmniDaemonSDK) -> None:
    """Repeated asyncio.run() works, also when the earlier loop closed nothing."""
    first = asyncio.run(greeting.publish_task("greet", "Eve"))
    result = asyncio.run(greeting.get_result(first))
    assert result is not None
    assert result.status == "queued"


async def test_events_are_given_as_they_happen(greeting: OmniDaemonSDK) -> None:
    """From when it listens, of the topics that match; a wait that is cut short loses nothing. Later from a position."""
    async with greeting as sdk:
        await sdk.publish_task("greet", "before")
        events = sdk.events(topic="gr*")
        await events.open()
        await sdk.publish_task("other", "x")
        task_id = await sdk.publish_task("greet", "Alice")
        await sdk.wait_for_result(task_id, timeout=10)
        seen: list[JournalEvent] = []
        while not (seen and seen[-1].kind == "succeeded" and seen[-1].task_id == task_id):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    seen.append(await anext(events))
        await events.aclose()
        assert {event.topic for event in seen} == {"greet"}
        own = [event for event in seen if event.task_id == task_id]
        assert sorted(event.kind for event in own) == ["published", "started", "succeeded"]
        again = []
        async for event in sdk.events(after=own[0].position, task_id=task_id):
            again.append(event)
            if event.kind == "succeeded":
                break
        assert again == own[1:]


def test_events_can_be_waited_for_without_a_loop(greeting: OmniDaemonSDK) -> None:
    """In a plain loop, which is left by a break."""
    ids = greeting.sync.publish_tasks([("greet", "Carol"), ("greet", "Dave")])
    seen = []
    for event in greeting.sync.events(after=0):
        seen.append((event.kind.value, event.task_id))
        if len(seen) == 2:
            break
    assert seen == [("published", task_id) for task_id in ids]
    assert greeting.sync.purge_topic("greet") == 2
    assert {result.status for result in greeting.sync.list_tasks().results} == {"cancelled"}
    greeting.sync.close()


async def test_workers_are_drained_and_the_program_goes_on(greeting: OmniDaemonSDK) -> None:
    """The agents leave; the SDK can still publish, and stops as ever."""
    async with greeting as sdk:
        (worker,) = await sdk.list_workers()
        await sdk.drain_all_workers()
        await sdk.drain_worker(worker.report.incarnation)
        assert sdk.worker is not None
        assert await asyncio.wait_for(sdk.worker.wait(), 10) == 0
        task_id = await sdk.publish_task("greet", "Alice")
        result = await sdk.get_result(task_id)
        assert result is not None
        assert result.status == "queued"
        with pytest.raises(WorkerNotFound):
            await sdk.drain_worker(worker.report.incarnation)


def test_a_decorator_without_parentheses_is_an_error():
    """Else the agent would be missing without a word."""
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))
    with pytest.raises(InvalidInput, match=r"is 'greeter', expected a topic, not the function: @sdk.agent\("):

        @sdk.agent  # type: ignore[arg-type]  # as somebody may write it
        async def greeter(payload):
            return payload


async def test_events_of_an_unknown_task_are_an_error(greeting: OmniDaemonSDK) -> None:
    """Nobody waits in silence for what will never come; of a known one they begin whenever."""
    async with greeting as sdk, asyncio.timeout(20):
        with pytest.raises(TaskNotFound):
            await anext(sdk.events(task_id="nope"))
        with pytest.raises(TaskNotFound):
            await sdk.events(task_id="nope", after=0).open()
        task_id = await sdk.publish_task("greet", "Alice", delay=100)
        assert (await anext(sdk.events(task_id=task_id, after=0))).kind == "scheduled"


async def test_to_publish_nothing_needs_no_backend(monkeypatch):
    """Neither a bus nor a store is opened for it."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "redis_stream", "result_store_type": "redis"}))
    assert await sdk.publish_tasks([]) == []
