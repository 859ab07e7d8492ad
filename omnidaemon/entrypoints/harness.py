"""A harness for people's tests of their own agents: everything real but the bus, the store and the clock."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from omnidaemon.adapters.memory import memory_bus, memory_storage
from omnidaemon.bootstrap.overrides import replaced
from omnidaemon.domain.errors import InvalidInput, TaskNotFound, WaitTimedOut
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.entrypoints.sdk import OmniDaemonSDK
from omnidaemon.entrypoints.unheard import unknown_topic
from omnidaemon.testing.clock import ManualClock
from omnidaemon.testing.notifier import RecordingNotifier, SentWebhook

_POLL_SECONDS = 0.002
_LONGER = "within_seconds= gives it longer, in real time; what still runs is cancelled with the harness"


class UnknownTopic(InvalidInput):
    """A test published to a topic that no agent of its SDK listens to."""


class TestHarness:
    """Runs an SDK's agents in memory, with a clock that the test moves: `async with TestHarness(sdk) as harness: …`.

    Policies, retries and time-outs are those of the agents. A pause before a retry costs a test nothing: run() moves
    the clock over it. The handlers themselves, and their time-outs, take the time that they take; what still runs when
    the test is over is cancelled.
    """

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, sdk: OmniDaemonSDK, *, clock: ManualClock | None = None) -> None:
        if not isinstance(sdk, OmniDaemonSDK):
            raise TypeError(f"TestHarness takes the OmniDaemonSDK object itself, such as agents.sdk, not {sdk!r}")
        self.sdk = sdk
        self.clock = clock or ManualClock()
        self._notifier = RecordingNotifier()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(
                replaced(
                    self.sdk.container,
                    clock=self.clock,
                    bus_factory=memory_bus,
                    storage_factory=memory_storage,
                    notifier_factory=self._notifier,
                )
            )
            await stack.enter_async_context(self.sdk)
            stack.callback(self._give_up)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _give_up(self) -> None:
        """Have the worker cancel what still runs instead of waiting for it: told twice to stop, it leaves at once."""
        if (worker := self.sdk.worker) is not None:
            worker.drain()
            worker.request_stop()

    async def run(self, topic: str, payload: object, *, within_seconds: float = 10.0) -> TaskResult:
        """Publish a task and return its result once every agent of the topic has ended it, over all retries.

        Raises `UnknownTopic` for a topic that none of the SDK's agents listens to, and `WaitTimedOut` when it takes
        more than `within_seconds` of real time.
        """
        if strange := self._unknown(topic):
            raise UnknownTopic(strange)
        return await self.finish(await self.sdk.publish_task(topic, payload), within_seconds=within_seconds)

    async def finish(self, task_id: str, *, within_seconds: float = 10.0) -> TaskResult:
        """The result of a published task once it has ended; the clock moves over the pauses of its retries."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        while True:
            result = await self.sdk.get_result(task_id)
            if result is None:
                raise TaskNotFound(task_id)
            if result.is_end:
                return result
            if loop.time() >= deadline:
                raise WaitTimedOut(task_id, within_seconds, result.status, self._unknown(result.topic) or _LONGER)
            await self._skip_pause(task_id)
            await asyncio.sleep(_POLL_SECONDS)

    def _unknown(self, topic: str) -> str:
        return unknown_topic(topic, (subscription.topic for subscription in self.sdk.registration.agents))

    async def _skip_pause(self, task_id: str) -> None:
        """Move the clock to where the task's next step is due, when nothing of it runs just now."""
        queries = (await self.sdk.runtime()).storage.queries
        record = (await queries.records([task_id])).get(task_id)
        if record is None or any(run.state is RunState.RUNNING for run in record.runs):
            return
        due = [run.due_at for run in record.runs if run.due_at is not None]
        if record.is_scheduled and isinstance(record.task, Task) and record.task.due_at is not None:
            due.append(record.task.due_at)
        if due:
            pause = (min(due) - self.clock.now().at).total_seconds()
            # A little at least, even for what is due already: the engine's own short pauses run on this clock too.
            self.clock.advance(max(pause, 0.1))

    async def sent_webhooks(self, *, within_seconds: float = 10.0) -> list[SentWebhook]:
        """What would have been sent to webhooks by now, in order, each with its url and body; nothing is. Replies are
        published by then, too.

        Raises `WaitTimedOut` for what is not told within so many seconds of real time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_seconds
        while (pending := await self.sdk.list_webhooks(status="pending")).webhooks:
            if loop.time() >= deadline:
                raise WaitTimedOut(pending.webhooks[0].task_id, within_seconds, "not told", _LONGER)
            self.clock.advance(0.1)  # the loop that sends rests a little between two rounds
            await asyncio.sleep(_POLL_SECONDS)
        return list(self._notifier.sent)

    def advance(self, seconds: float) -> None:
        """Let time pass for everything but the handlers."""
        self.clock.advance(seconds)
