"""The harness for people's own agents."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest

from omnidaemon import Context, DeliveryPolicy, OmniDaemonSDK, Reject, Retry
from omnidaemon.domain.errors import AlreadyStarted, WaitTimedOut
from omnidaemon.entrypoints.harness import UnknownTopic
from omnidaemon.harness import TestHarness

PATIENCE_SECONDS = 10


async def test_run_returns_the_result() -> None:
    """An agent's value comes back as it was returned."""
    sdk = OmniDaemonSDK()

    @sdk.agent("greet.user")
    async def greeter(payload: dict[str, str]) -> dict[str, str]:
        return {"reply": f"Hello, {payload['name']}!"}

    async with TestHarness(sdk) as harness:
        result = await harness.run("greet.user", {"name": "Alice"})

    assert (result.status, result.result, result.attempts) == ("succeeded", {"reply": "Hello, Alice!"}, 1)


async def test_retries_follow_the_policy_without_costing_time() -> None:
    """Pauses of an hour pass in a moment, on the clock that the agent's policy is judged by; each attempt's error is
    kept, and a requeue begins anew."""
    sdk = OmniDaemonSDK()
    started = []

    policy = DeliveryPolicy(max_attempts=3, backoff=timedelta(hours=1), backoff_factor=2, backoff_max=1e6, jitter=0)

    @sdk.agent("flaky", policy=policy)
    async def flaky(_: object, ctx: Context) -> None:
        started.append(harness.clock.now().at)
        raise ValueError(f"attempt {ctx.attempt}")

    async with TestHarness(sdk) as harness:
        result = await harness.run("flaky", None)
        details = await sdk.get_task(result.task_id)
        assert details is not None
        assert {agent for agent, _ in details.errors} == {"flaky"}
        errors = [error for _, error in details.errors]
        assert [(error.message, error.attempt) for error in errors] == [(f"attempt {n}", n) for n in (1, 2, 3)]
        assert all("raise ValueError" in error.traceback for error in errors)
        assert (result.status, result.attempts) == ("dead", 3)

        await sdk.requeue_task(result.task_id)
        again = await harness.finish(result.task_id)

    pauses = [(after - before).total_seconds() for before, after in pairwise(started[:3])]
    assert pauses == [pytest.approx(3600, abs=1), pytest.approx(7200, abs=1)]
    assert (again.status, again.attempts, len(started)) == ("dead", 3, 6)


async def test_retry_and_reject() -> None:
    """Retry burns no attempt; Reject is final."""
    sdk = OmniDaemonSDK()

    @sdk.agent("limited", policy=DeliveryPolicy(max_attempts=1))
    def limited(payload: list[int], ctx: Context) -> str:
        payload.append(ctx.attempt)
        calls.append(1)
        if len(calls) < 4:
            raise Retry(after=30)
        return "at last"

    @sdk.agent("strict")
    def strict(_: object) -> None:
        raise Reject("not for me")

    calls: list[int] = []
    async with TestHarness(sdk) as harness:
        late = await harness.run("limited", [])
        rejected = await harness.run("strict", {})

    assert (late.status, late.result, late.attempts, len(calls)) == ("succeeded", "at last", 1, 4)
    assert rejected.status == "dead"
    assert rejected.error is not None
    assert (rejected.error.kind, rejected.error.message) == ("rejected", "not for me")


async def test_a_task_that_does_not_end_is_told() -> None:
    """A topic without an agent leaves its task queued; the wait says so, and why."""
    sdk = OmniDaemonSDK()

    @sdk.agent("other")
    def other(_: object) -> None: ...

    async with TestHarness(sdk) as harness:
        task_id = await sdk.publish_task("nobody.listens", 1)
        with pytest.raises(WaitTimedOut, match=r"still queued after 100 ms: no agent .*listen.* nobody\.listens"):
            await harness.finish(task_id, within_seconds=0.1)


async def test_a_topic_that_nobody_listens_to_fails_at_once() -> None:
    """The error names what was probably meant, or the topics that there are."""
    sdk = OmniDaemonSDK()

    @sdk.agent("greet.user")
    def greeter(_: object) -> None: ...

    async with TestHarness(sdk) as harness:
        with pytest.raises(UnknownTopic, match=r"listens to greet\.usr; did you mean greet\.user\?"):
            await harness.run("greet.usr", 1)
        with pytest.raises(UnknownTopic, match=r"listens to report; agents listen to greet\.user"):
            await harness.run("report", 1)


async def test_it_leaves_the_sdk_as_it_was() -> None:
    """After the harness the same SDK can be put into another one; inside, it cannot get more agents."""
    sdk = OmniDaemonSDK()

    @sdk.agent("one")
    def one(_: object) -> int:
        return 1

    for _ in range(2):
        async with TestHarness(sdk) as harness:
            assert (await harness.run("one", None)).result == 1
            with pytest.raises(AlreadyStarted):
                sdk.agent("two")(one)


async def test_a_test_sees_what_would_be_sent() -> None:
    """Nothing leaves the machine; replies are published, and their agents run."""
    sdk = OmniDaemonSDK()
    answers: list[object] = []

    @sdk.agent("greet.user")
    async def greeter(payload: dict[str, str]) -> str:
        return f"Hello, {payload['name']}!"

    @sdk.agent("answers")
    async def answered(payload: dict[str, object]) -> None:
        answers.append(payload["result"])

    async with TestHarness(sdk) as harness:
        payload = {"name": "Alice", "webhook": "http://10.0.0.1/hook", "reply_to": "answers"}
        result = await harness.run("greet.user", payload)
        (sent,) = await harness.sent_webhooks()
        assert (sent.url, sent.body["task_id"]) == ("http://10.0.0.1/hook", result.task_id)
        assert (sent.body["status"], sent.body["result"]) == ("succeeded", "Hello, Alice!")
        page = await sdk.list_webhooks(kind="reply")
        (reply,) = page.webhooks
        await harness.finish(reply.webhook_id)
    assert answers == ["Hello, Alice!"]


async def test_leaving_cancels_what_still_runs() -> None:
    """A test that is over waits for nothing, whatever the drain would allow; the hooks run all the same."""
    sdk = OmniDaemonSDK()
    seen: list[str] = []

    @sdk.agent("slow")
    async def slow(_: object) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    sdk.on_shutdown(lambda: seen.append("shut down"))
    began = time.monotonic()
    async with TestHarness(sdk) as harness:
        with pytest.raises(WaitTimedOut, match=r"still running after 100 ms: within_seconds= gives it longer"):
            await harness.run("slow", 1, within_seconds=0.1)
    assert seen == ["cancelled", "shut down"]
    assert time.monotonic() - began < PATIENCE_SECONDS


async def test_leaving_does_not_wait_for_a_thread() -> None:
    """Which nobody can stop: it is let go of."""
    sdk = OmniDaemonSDK()
    let_go = threading.Event()

    @sdk.agent("stuck")
    def stuck(_: object) -> None:
        let_go.wait(60)

    began = time.monotonic()
    async with TestHarness(sdk) as harness:
        with pytest.raises(WaitTimedOut):
            await harness.run("stuck", 1, within_seconds=0.1)
    let_go.set()
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_what_is_no_sdk_is_refused() -> None:
    """The name of its file, above all."""
    with pytest.raises(TypeError, match=r"takes the OmniDaemonSDK object itself.*not 'agents\.py'"):
        TestHarness("agents.py")  # type: ignore[arg-type]  # what is tested
