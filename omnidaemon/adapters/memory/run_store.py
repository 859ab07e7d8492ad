"""The gates over the memory tables."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.adapters.memory.bell import BellListener
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, Held, Intake, Renewals, Request
from omnidaemon.domain.run import Run
from omnidaemon.ports.run_store import LeaseSpan, RunStore

_LONGEST_PAUSE_SECONDS = 60.0


class MemoryRunStore(RunStore):
    """Each gate: read, decide, write, under the space's lock."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def begin(self, request: Request, intakes: Sequence[Intake]) -> Sequence[Grant | None]:
        space = self._space
        with space.transaction() as now:
            space.admit(request)
            found = space.found((intake.task.task_id, intake.subscription.agent) for intake in intakes)
            answers, changes = space.gates.begin(request, intakes, found, space.marks(), now)
            space.apply(changes, now)
        return answers

    async def claim_due(
        self, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool = False
    ) -> Claims:
        space = self._space
        with space.transaction() as now:
            if space.admit(request):
                return Claims(grants=self._granted_by(request), next_due_seconds=0.0)
            self._touch(leases, now)
            if space.guard.may_lapse(now.steady):
                space.apply(space.gates.lapse([space.runs[key] for key in space.running], now), now)
            chosen, has_last_chance = self._choose(limits, now, is_idle=is_idle)
            runs, changes = space.gates.claim(request, limits, chosen, now)
            space.apply(changes, now)
            return Claims(
                grants=tuple(Grant(run=run, task=space.tasks[run.task_id].task) for run in runs),
                next_due_seconds=self._next_due(limits, now),
                has_last_chance=has_last_chance and not is_idle,
            )

    def _granted_by(self, request: Request) -> tuple[Grant, ...]:
        space, wanted = self._space, str(request)
        runs = (space.runs[key] for key in space.running)
        return tuple(Grant(run=run, task=space.tasks[run.task_id].task) for run in runs if run.request == wanted)

    def _choose(self, limits: Sequence[ClaimLimit], now: Instant, *, is_idle: bool) -> tuple[list[Run], bool]:
        """The runs to grant, and whether there are any at their last chance among those due."""
        chosen: list[Run] = []
        suspects: list[Run] = []
        for limit in limits:
            taken = 0
            for run in self._space.due(limit.subscription):
                if not run.is_due(now):
                    break
                if run.is_last_chance(limit.crash_limit):
                    suspects.append(run)
                elif taken < limit.slots:
                    chosen.append(run)
                    taken += 1
        if is_idle and suspects:
            return suspects[:1], True
        return chosen, bool(suspects)

    def _next_due(self, limits: Sequence[ClaimLimit], now: Instant) -> float:
        pause = _LONGEST_PAUSE_SECONDS
        for limit in limits:
            first = next(self._space.due(limit.subscription), None)
            if first is not None and first.due_at is not None:
                pause = min(pause, (first.due_at - now.at).total_seconds())
        leases = (self._space.runs[key].lease_until for key in self._space.running)
        first_lapse = min((until for until in leases if until is not None), default=None)
        if first_lapse is not None:
            pause = min(pause, max(first_lapse, self._space.guard.no_lapse_until) - now.steady)
        return max(0.0, pause)

    async def renew(self, owner: str, held: Sequence[Held], leases: LeaseSpan) -> Renewals:
        space = self._space
        with space.transaction() as now:
            self._touch(leases, now)
            found = space.found((grant.task_id, grant.agent) for grant in held)
            answer, renewed = space.gates.renew(owner, held, found, now)
            space.runs.update((run.key, run) for run in renewed)
        return answer

    async def finish(self, request: Request, finishes: Sequence[Finish]) -> Sequence[bool]:
        space = self._space
        with space.transaction() as now:
            space.admit(request)
            found = space.found((finish.task_id, finish.agent) for finish in finishes)
            answers, changes = space.gates.finish(request, finishes, found, now)
            space.apply(changes, now)
        return answers

    async def release(self, request: Request, held: Sequence[Held], delay_seconds: float = 0.0) -> None:
        space = self._space
        with space.transaction() as now:
            space.admit(request)
            found = space.found((grant.task_id, grant.agent) for grant in held)
            space.apply(space.gates.release(request, held, found, now, delay_seconds), now)

    def wakeups(self) -> BellListener:
        return self._space.bell.listen()

    def _touch(self, leases: LeaseSpan, now: Instant) -> None:
        guard = self._space.guard
        self._space.guard = guard.touched(now.steady, leases.shortest_seconds, leases.longest_seconds)
