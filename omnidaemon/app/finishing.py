"""Outcomes: what the policy makes of them, recorded in batches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from omnidaemon.app.bridge import Assignment, Report, StopReason, Workforce
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.lanes import Lane
from omnidaemon.app.outages import is_the_backends
from omnidaemon.app.telling import OutcomeTelling
from omnidaemon.domain.outcome import AttemptError, ErrorKind, Expired, Failed, Returned
from omnidaemon.domain.policy import Decision, End, succeeded
from omnidaemon.domain.requests import NEWER_SCHEMA_PAUSE_SECONDS, Finish, undecodable
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.telemetry import Telemetry

_BATCH = 500
_LARGE_BATCH = 20
_COURTESY_TURNS = 8


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
        tells_ends: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._runs = runs
        self._custody = custody
        self._workforce = workforce
        self._finish_lane = finish_lane
        self._release_lane = release_lane
        self._clock = clock
        self._telling = OutcomeTelling(telemetry, tells_ends=tells_ends)
        self._chance = chance
        self._reports: dict[Report, None] = {}
        self._to_release: list[tuple[float, Holding]] = []
        self._releasing = asyncio.Lock()
        self._has_work = asyncio.Event()

    def dispatch(self, holdings: Sequence[Holding]) -> None:
        """Have these executed, unless something ends them before they start."""
        now = self._clock.now().steady
        assignments: list[Assignment] = []
        for holding in holdings:
            grant, policy = holding.grant, holding.agent.policy
            if isinstance(grant.task, Unreadable):
                self._refuse(holding, grant.task)
                continue
            limit = None
            if grant.run.crashes or policy.has_limits:
                counts = holding.counts(now)
                expired = policy.before_start(counts)
                if expired is not None:
                    self.report([Report(grant, expired)])
                    continue
                limit = policy.attempt_seconds(counts)
            assignments.append(Assignment(grant, grant.task, holding.agent, limit))
        if assignments:
            self._workforce.assign(assignments)

    def report(self, reports: Sequence[Report]) -> None:
        """Take in what attempts came to. On the engine's loop."""
        self._reports |= dict.fromkeys(reports)
        self._custody.returned(reports, self._clock.now().steady)
        self._has_work.set()

    async def run(self) -> None:
        """Record until cancelled."""
        while True:
            self._has_work.clear()
            await self._release_some()
            # Nothing is let go of before it is recorded: a loop that failed is begun anew and finds it here.
            while self._reports:
                await self._release_some()  # also while outcomes keep coming
                if len(self._reports) >= _LARGE_BATCH:
                    await self._let_intake_go_first()
                if not (batch := self._ready()):
                    break
                await self._record(batch)
                for report, _ in batch:
                    del self._reports[report]
            await self._has_work.wait()

    async def _let_intake_go_first(self) -> None:
        """Under load the next tasks may be on their way through the loop. The store begins them while these outcomes
        are made ready, instead of waiting for one thing after the other."""
        for _ in range(_COURTESY_TURNS):
            await asyncio.sleep(0)

    def acks_settled(self) -> None:
        """Called when it is known of deliveries whether the bus has forgotten them: their outcomes may be recorded."""
        self._has_work.set()

    def _ready(self) -> list[tuple[Report, Holding | None]]:
        """The next batch, each with the grant in custody, if there is one. An outcome waits for the ack that is under
        way, which takes a moment: recorded without it, the run would look as if its delivery might still come again."""
        batch: list[tuple[Report, Holding | None]] = []
        for report in self._reports:
            holding = self._custody.get(report.grant.run.key)
            if holding is None or not holding.awaits_ack:
                batch.append((report, holding))
                if len(batch) == _BATCH:
                    break
        return batch

    async def _record(self, reports: Sequence[tuple[Report, Holding | None]]) -> None:
        now = self._clock.now().steady
        current: list[tuple[Holding, Finish]] = []
        for report, holding in reports:
            if holding is None or holding.grant is not report.grant:
                continue  # lost or given back meanwhile: it is somebody else's to record
            if holding.is_lost:
                self._telling.lost(holding.key)
                self._custody.remove([holding.key])
                continue
            holding.is_recording = True
            outcome = report.outcome
            if isinstance(outcome, Returned):
                decision: Decision = succeeded(outcome)
            else:
                decision = holding.agent.policy.decide(holding.counts(now), outcome, self._chance())
            current.append((holding, _finish(holding, decision, report.seconds)))
            if isinstance(outcome, (Failed, Expired)):
                self._telling.failed(report.grant, outcome, decision)
        if current:
            await self._finish(current)

    async def _finish(self, current: Sequence[tuple[Holding, Finish]]) -> None:
        finishes = [finish for _, finish in current]
        try:
            recorded = await self._finish_lane.call(lambda request: self._runs.finish(request, finishes))
        except Exception as error:
            if is_the_backends(error):
                raise
            await self._finish_apart(current, error)  # one that a store chokes on must not hold up all others
            return
        holdings = [holding for holding, _ in current]
        for holding, is_recorded in zip(holdings, recorded, strict=True):
            if not is_recorded:
                self._telling.too_late(holding.key)
        self._telling.ended(finish for finish, is_recorded in zip(finishes, recorded, strict=True) if is_recorded)
        self._let_go(holdings)

    def _let_go(self, holdings: Iterable[Holding]) -> None:
        """Of these grants; a run may be this worker's again by now, under another one."""
        self._custody.remove([holding.key for holding in holdings if self._custody.get(holding.key) is holding])

    async def _finish_apart(self, current: Sequence[tuple[Holding, Finish]], error: Exception) -> None:
        """Record one at a time; the one that cannot be is ended with an error that says so."""
        if len(current) > 1:
            for one in current:
                await self._finish([one])
            return
        ((holding, finish),) = current
        message = f"the store could not record the outcome: {type(error).__name__}"
        self._telling.unstorable(finish.task_id, message)
        unstorable = AttemptError(type="OutcomeNotStorable", message=message, kind=ErrorKind.UNENCODABLE)
        end = _finish(holding, End(state=RunState.DEAD, error=unstorable), finish.seconds)
        await self._finish_lane.call(lambda request: self._runs.finish(request, [end]))
        self._let_go([holding])

    # --- giving back --------------------------------------------------------------------------------------------------

    def _refuse(self, holding: Holding, task: Unreadable) -> None:
        """What this version cannot read a newer one may, so it is put back; what nobody can is a dead letter."""
        if not task.is_newer:
            self.report([Report(holding.grant, Expired(error=undecodable(task)))])
            return
        self._telling.waits_for_newer(task)
        self.give_back([holding], NEWER_SCHEMA_PAUSE_SECONDS)

    def give_back(self, holdings: Iterable[Holding], delay_seconds: float = 0.0) -> None:
        """Have these runs given back, due after the delay; their handlers do not run."""
        self._to_release += ((delay_seconds, holding) for holding in holdings)
        self._has_work.set()

    async def _release_some(self) -> None:
        if not self._to_release:
            return
        async with self._releasing:
            waiting = tuple(self._to_release)
            for delay_seconds, alike in groupby(waiting, key=itemgetter(0)):
                await self._release([holding for _, holding in alike], delay_seconds)
            del self._to_release[: len(waiting)]

    async def release_all(self) -> int:
        """Stop every handler and give its run back at once, due for anybody; how many there were.

        Outcomes that are known already are recorded first: their attempts need not be made again.
        """
        async with self._releasing:
            self._to_release.clear()  # these are among all that is held
            known = {report.grant.run.key for report in self._reports}
            holdings = [holding for holding in self._custody.all() if holding.key not in known]
            # Out of custody at once: what their handlers say from now on is of no account.
            self._custody.remove(holding.key for holding in holdings)
            self._workforce.stop([holding.key for holding in holdings], StopReason.DRAINING)
            owned = [holding for holding in holdings if not holding.is_lost]
            if owned:
                await self._release(owned, 0.0)
        await self._custody.emptied()
        return len(owned)

    async def _release(self, holdings: Sequence[Holding], delay_seconds: float) -> None:
        held = [holding.as_held() for holding in holdings]
        await self._release_lane.call(lambda request: self._runs.release(request, held, delay_seconds))
        self._let_go(holdings)


def _finish(holding: Holding, decision: Decision, seconds: float) -> Finish:
    run = holding.grant.run
    return Finish(
        task_id=run.task_id,
        agent=run.subscription.agent,
        fence=run.fence,
        decision=decision,
        seconds=seconds,
        is_acked=holding.is_acked,
    )
