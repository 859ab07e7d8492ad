"""An executor alone: attempts are handed to it, and what they came to is collected."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.app.agents import Agent, Handler
from omnidaemon.app.bridge import Assignment, Report, StopReason
from omnidaemon.app.executor import Executor
from omnidaemon.domain.outcome import AttemptError, Failed, Outcome
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.testing.patience import eventually
from tests.unit.app.faults import Sayings
from tests.unit.app.workshop import agent_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class ExecutorBench:
    """Gives attempts to an executor and waits for their reports."""

    def __init__(self, result_max_bytes: int = 1000, spare_threads: int = 0) -> None:
        self.codec = JsonCodec()
        self.says = Sayings()
        self.published: list[tuple[str, str, object, dict[str, Any]]] = []
        self.batches: list[list[Report]] = []
        self.executor = Executor(
            codec=self.codec,
            telemetry=self.says,
            publish=self._publish,
            result_max_bytes=result_max_bytes,
            threads=2,
            spare_threads=spare_threads,
            unstoppable_seconds=0.05,
        )
        self.executor.on_reports(self.batches.append)
        self._numbers = itertools.count(1)

    async def _publish(self, cause: Task, topic: str, payload: object, **options: Any) -> str:
        self.published.append((cause.task_id, topic, payload, options))
        return "published"

    def assignment(
        self,
        agent: Agent,
        payload: object = None,
        *,
        limit: float | None = None,
        task_id: str | None = None,
        fence: int = 1,
    ) -> Assignment:
        """One attempt, the first of its run unless the fence is another."""
        task = Task(
            task_id=task_id or f"t{next(self._numbers)}",
            topic=agent.subscription.topic,
            payload=self.codec.encode_payload(payload),
            created_at=NOW,
        )
        run = Run(
            task_id=task.task_id, subscription=agent.subscription, state=RunState.RUNNING, queued_at=NOW, fence=fence
        )
        return Assignment(Grant(run=run, task=task, at=NOW), task, agent, limit)

    def give(self, handler: Handler, payload: object = None, limit: float | None = None, **policy: Any) -> Assignment:
        """Have a handler executed."""
        assignment = self.assignment(agent_of(handler, **policy), payload, limit=limit)
        self.executor.assign([assignment])
        return assignment

    def stop(self, assignment: Assignment, reason: StopReason = StopReason.REQUESTED) -> None:
        """Have an attempt stopped."""
        self.executor.stop([assignment.grant.run.key], reason)

    def reported(self, assignment: Assignment) -> list[Outcome]:
        """What was reported for it so far."""
        return [report.outcome for report in self.reports(assignment)]

    def reports(self, assignment: Assignment) -> list[Report]:
        """The same, with the time that it took."""
        return [report for batch in self.batches for report in batch if report.grant is assignment.grant]

    async def outcome(self, assignment: Assignment) -> Outcome:
        """The one report of this attempt, once it is there."""

        async def look() -> list[Outcome]:
            return self.reported(assignment)

        (outcome,) = await eventually(look, within_seconds=5.0)
        assert self.reports(assignment)[0].seconds > 0.0, "an attempt that was made took some time"
        return outcome

    async def outcome_of(
        self, handler: Handler, payload: object = None, limit: float | None = None, **policy: Any
    ) -> Outcome:
        """What an attempt of this handler comes to."""
        return await self.outcome(self.give(handler, payload, limit, **policy))

    async def failure_of(
        self, handler: Handler, limit: float | None = None, **policy: Any
    ) -> tuple[AttemptError, bool]:
        """The error of an attempt that must fail, and whether it is final."""
        outcome = await self.outcome_of(handler, None, limit, **policy)
        assert isinstance(outcome, Failed)
        return outcome.error, outcome.is_final

    async def turns(self, count: int = 3) -> None:
        """Let the loop turn a few times."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def until_said(self, *parts: str) -> None:
        """Wait for a line of the log with all of these in it."""

        async def look() -> list[str]:
            return self.says.having(*parts)

        await eventually(look, within_seconds=5.0)
