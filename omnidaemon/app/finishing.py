"""Outcomes: what the policy makes of them, recorded in batches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from omnidaemon.app.bridge import Assignment, Report, StopReason, Workforce
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.lanes import Lane
from omnidaemon.domain.outcome import Failed
from omnidaemon.domain.requests import Finish, Grant
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.telemetry import Level, Telemetry

_BATCH = 500
_NEWER_SCHEMA_PAUSE_SECONDS = 60.0


class OutcomeFinishes:
    """Hands grants to the workforce, or to their end where the policy forbids a start; records what comes back.

    A batch is whatever came in while the last one was recorded: nothing waits for a batch to fill.
    """

    def __init__(
        self,
        *,
        runs: RunStore,
        custody: Custody,
        workforce: Workforce,
        finish_lane: Lane,
        release_lane: Lane,
        clock: Clock,
        telemetry: Telemetry,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._runs = runs
        self._custody = custody
        self._workforce = workforce
        self._finish_lane = finish_lane
        self._release_lane = release_lane
        self._clock = clock
        self._telemetry = telemetry
        self._chance = chance
        self._reports: list[Report] = []
        self._to_release: list[Holding] = []
        self._has_work = asyncio.Event()

    def dispatch(self, holdings: Sequence[Holding]) -> None:
        """Have these executed, unless something ends them before they start."""
        now = self._clock.now()
        assignments: list[Assignment] = []
        for holding in holdings:
            grant, policy = holding.grant, holding.agent.policy
            if isinstance(grant.task, Unreadable):
                self._put_back(holding, grant.task)
                continue
            counts = grant.run.counts(now)
            expired = policy.before_start(counts)
            if expired is not None:
                self.report([Report(grant, expired)])
                continue
            assignments.append(Assignment(grant, grant.task, holding.agent, policy.attempt_seconds(counts)))
        if assignments:
            self._workforce.assign(assignments)

    def report(self, reports: Sequence[Report]) -> None:
        """Take in what attempts came to. On the engine's loop."""
        self._reports.extend(reports)
        self._has_work.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            while self._reports or self._to_release:
                await self._release_some()
                # Nothing is let go of before it is recorded: a loop that failed is begun anew and finds it here.
                batch = self._reports[:_BATCH]
                if batch:
                    await self._record(batch)
                    del self._reports[: len(batch)]
            self._has_work.clear()
            await self._has_work.wait()

    async def _record(self, reports: Sequence[Report]) -> None:
        now = self._clock.now()
        finishes: list[Finish] = []
        holdings: list[Holding] = []
        for report in reports:
            holding = self._custody.get(report.grant.run.key)
            if holding is None or holding.grant is not report.grant:
                continue  # lost or given back meanwhile: it is somebody else's to record
            run = report.grant.run
            decision = holding.agent.policy.decide(run.counts(now), report.outcome, self._chance())
            finishes.append(
                Finish(
                    task_id=run.task_id,
                    agent=run.subscription.agent,
                    fence=run.fence,
                    decision=decision,
                    seconds=report.outcome.seconds,
                    is_acked=holding.is_acked,
                )
            )
            holdings.append(holding)
            holding.is_recording = True
            if isinstance(report.outcome, Failed):
                self._tell(report.grant, report.outcome)
        if not finishes:
            return
        recorded = await self._finish_lane.call(lambda request: self._runs.finish(request, finishes))
        for holding, is_recorded in zip(holdings, recorded, strict=True):
            if not is_recorded:
                task_id, agent = holding.key
                self._telemetry.say(
                    Level.WARNING,
                    f"agent {agent} finished task {task_id} too late: another worker has it",
                    task_id=task_id,
                    agent=agent,
                )
        self._custody.remove(holding.key for holding in holdings if self._custody.get(holding.key) is holding)

    def _tell(self, grant: Grant, outcome: Failed) -> None:
        run, error = grant.run, outcome.error
        self._telemetry.say(
            Level.WARNING,
            f"agent {run.subscription.agent}: attempt {run.attempt} of task {run.task_id} failed: "
            f"{error.type}: {error.message}",
            task_id=run.task_id,
            agent=run.subscription.agent,
            topic=run.subscription.topic,
        )

    # --- giving back --------------------------------------------------------------------------------------------------

    def _put_back(self, holding: Holding, task: Unreadable) -> None:
        self._telemetry.say(
            Level.WARNING, f"task {task.task_id} waits for a newer version: {task.reason}", task_id=task.task_id
        )
        self._to_release.append(holding)
        self._has_work.set()

    async def _release_some(self) -> None:
        holdings = tuple(self._to_release)
        if holdings:
            await self._release(holdings, _NEWER_SCHEMA_PAUSE_SECONDS)
            del self._to_release[: len(holdings)]

    async def release_all(self) -> int:
        """Stop every handler and give its run back at once, due for anybody; how many there were."""
        holdings = self._custody.all()
        if holdings:
            self._workforce.stop([holding.key for holding in holdings], StopReason.DRAINING)
            await self._release(holdings, 0.0)
        return len(holdings)

    async def _release(self, holdings: Sequence[Holding], delay_seconds: float) -> None:
        held = [holding.as_held() for holding in holdings]
        await self._release_lane.call(lambda request: self._runs.release(request, held, delay_seconds))
        self._custody.remove(holding.key for holding in holdings)
