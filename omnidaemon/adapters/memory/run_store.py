"""The gates over the memory tables."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.adapters.memory.bell import BellListener
from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.requests import ClaimLimit, Claims, Finish, Grant, Held, Intake, Renewals, Request
from omnidaemon.ports.run_store import LeaseSpan, RunStore


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
                return Claims(grants=self._granted_by(request, now), next_due_seconds=0.0)
            self._touch(leases, now)
            space.apply(space.gates.lapse([space.runs[key] for key in space.running], space.guard, now), now)
            due = {limit.subscription: space.due(limit.subscription) for limit in limits}
            chosen, has_last_chance = space.gates.choose(limits, due, now, is_idle=is_idle)
            runs, changes = space.gates.claim(request, limits, chosen, now)
            space.apply(changes, now)
            return Claims(
                grants=tuple(Grant(run=run, task=space.tasks[run.task_id].task, at=now.at) for run in runs),
                next_due_seconds=self._pause(limits, now),
                has_last_chance=has_last_chance,
            )

    def _granted_by(self, request: Request, now: Instant) -> tuple[Grant, ...]:
        space, wanted = self._space, str(request)
        runs = (space.runs[key] for key in space.running)
        granted = (run for run in runs if run.request == wanted)
        return tuple(Grant(run=run, task=space.tasks[run.task_id].task, at=now.at) for run in granted)

    def _pause(self, limits: Sequence[ClaimLimit], now: Instant) -> float:
        space = self._space
        firsts = (next(space.due(limit.subscription), None) for limit in limits)
        running = (space.runs[key] for key in space.running)
        return space.gates.pause_seconds(
            min((run.due_at for run in firsts if run is not None and run.due_at is not None), default=None),
            [(run.lease_seconds, run.lease_until) for run in running if run.lease_until is not None],
            space.guard,
            now,
        )

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

    def news(self) -> BellListener:
        return self._space.news.listen()

    def _touch(self, leases: LeaseSpan, now: Instant) -> None:
        guard = self._space.guard
        self._space.guard = guard.touched(now.steady, leases.shortest_seconds, leases.longest_seconds)
