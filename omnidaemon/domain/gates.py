"""The gates' decisions: from what a store read to what it shall write. Every store calls these; none decides itself.

A store's part is to read what a gate names, in one transaction or under a compare-and-set, call the method here, write
the `Changes` whole, and answer. So the rules stand in one place, and the model exploration that runs against the memory
store speaks of all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from omnidaemon.domain.changes import Changes, changes_of
from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import End
from omnidaemon.domain.requests import (
    ClaimLimit,
    EndRun,
    Finish,
    Grant,
    Held,
    HoldRun,
    Intake,
    Renewals,
    Request,
    StartRun,
)
from omnidaemon.domain.return_address import ReturnAddress, return_address
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace

Runs = Mapping[RunKey, Run]
_Terms = tuple[Subscription, float, ReturnAddress | None]

_LONGEST_PAUSE_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Marks:
    """What forbids a delivery: tasks that were cancelled, and tombstones of runs or, with agent "", of whole tasks."""

    cancelled: Collection[str] = ()
    tombstones: Collection[RunKey] = ()

    def is_cancelled(self, task_id: str) -> bool:
        """Whether the task was cancelled as a whole."""
        return task_id in self.cancelled

    def is_buried(self, key: RunKey) -> bool:
        """Whether the run ended long ago or was deleted, so that its delivery is an echo."""
        return key in self.tombstones or (key[0], "") in self.tombstones


class Gates:
    """The rules of begin, claim, renew, finish and release, as pure functions. Without state; one instance serves
    all."""

    def admit(self, request: Request, latest_counter: int | None) -> bool:
        """Whether this very call was made before, so that its answer has to be found rather than decided.

        Raises `StaleRequest` for a call that was overtaken by a later one of its lane.
        """
        if latest_counter is not None and request.counter < latest_counter:
            raise StaleRequest(str(request))
        return request.counter == latest_counter

    def begin(
        self, request: Request, intakes: Sequence[Intake], found: Runs, marks: Marks, now: Instant
    ) -> tuple[tuple[Grant | None, ...], Changes]:
        """Take custody: insert each run that is absent. One answer per intake, in order.

        A grant, when the run is now the caller's: because it was absent, or because this very request began it and the
        reply was lost. None, when there is nothing to execute: the store answers for the run. Either way the caller
        acks the delivery on the bus.
        """
        moves: dict[RunKey, Run] = {}
        answers: list[Grant | None] = []
        asked = str(request)
        likes: dict[_Terms, Run] = {}
        tasks: dict[str, Task | Unreadable] = {}
        is_marked = bool(marks.cancelled or marks.tombstones)
        for intake in intakes:
            key = (intake.task.task_id, intake.subscription.agent)
            known = found.get(key) or moves.get(key)
            if known is not None:
                is_mine = known.state is RunState.RUNNING and known.request == asked and key not in moves
                answers.append(Grant(run=known, task=intake.task, at=now.at) if is_mine else None)
                continue
            if is_marked and marks.is_buried(key):
                answers.append(None)
                continue
            if isinstance(intake, StartRun) and not (is_marked and marks.is_cancelled(key[0])):
                run = moves[key] = self._started(request.incarnation, asked, intake, likes, now)
            else:
                run = moves[key] = self._inserted(asked, intake, marks, now)
            tasks[key[0]] = intake.task
            is_granted = run.state is RunState.RUNNING
            answers.append(Grant(run=run, task=intake.task, at=now.at) if is_granted else None)
        return tuple(answers), changes_of(((None, run) for run in moves.values()), now.at, tasks.values())

    def _started(self, owner: str, asked: str, intake: StartRun, likes: dict[_Terms, Run], now: Instant) -> Run:
        """Granted at once. Within a batch nearly all is the same for the runs of an agent: the first is the model."""
        task = intake.task
        terms = (intake.subscription, intake.lease_seconds, return_address(task))
        model = likes.get(terms)
        if model is None:
            granted = _fresh(asked, intake, now).granted(
                owner=owner, request=asked, lease_seconds=intake.lease_seconds, now=now
            )
            model = likes[terms] = granted.model()
        return model.of(task.task_id, _queued_at(task, now))

    def _inserted(self, asked: str, intake: Intake, marks: Marks, now: Instant) -> Run:
        fresh = _fresh(asked, intake, now)
        if marks.is_cancelled(intake.task.task_id):
            return fresh.cancelled(now)
        match intake:
            case HoldRun(delay_seconds=delay):
                return replace(fresh, due_at=now.after(delay))
            case EndRun(state=state, error=error):
                errors = () if error is None else (attrs.evolve(error, at=now.at),)
                return replace(fresh, state=state, due_at=None, finished_at=now.at, errors=errors)
            case _:
                return fresh

    def lapse(self, running: Iterable[Run], guard: LapseGuard, now: Instant) -> Changes:
        """Take the runs whose lease has run out from their owners: a crash is counted, and they are due at once.

        Those whose lease the guard does not judge yet are left alone.
        """
        lapsed = (run for run in running if run.is_lapsed(now) and guard.may_lapse(run.lease_seconds, now.steady))
        return changes_of(((run, run.lapsed(now)) for run in lapsed), now.at)

    def choose(
        self, limits: Sequence[ClaimLimit], due: Mapping[Subscription, Iterable[Run]], now: Instant, *, is_idle: bool
    ) -> tuple[list[Run], bool]:
        """Which of each agent's due runs, the longest due first, to grant; and whether runs at their last chance wait
        for a caller that is idle. Such a one gets the first of them, and nothing beside it."""
        chosen: list[Run] = []
        suspects: list[Run] = []
        for limit in limits:
            slots = limit.slots
            for run in due.get(limit.subscription, ()):
                if not run.is_due(now):
                    break
                if run.is_last_chance(limit.crash_limit):
                    # An idle caller without a slot for it gets what it has slots for; a busy one shall make room.
                    if limit.slots > 0 or not is_idle:
                        suspects.append(run)
                elif slots > 0:
                    chosen.append(run)
                    slots -= 1
        if is_idle and suspects:
            return [min(suspects, key=lambda run: run.due_at or now.at)], False
        return chosen, bool(suspects)

    def pause_seconds(
        self, first_due_at: datetime | None, leases: Iterable[tuple[float, float]], guard: LapseGuard, now: Instant
    ) -> float:
        """How long a claimer may rest: until the next due time, or until the next lease may lapse.

        `leases` are those of running runs, as (seconds, until); of each length, the first to run out is enough.
        """
        pause = _LONGEST_PAUSE_SECONDS
        if first_due_at is not None:
            pause = min(pause, (first_due_at - now.at).total_seconds())
        for seconds, until in leases:
            pause = min(pause, max(until, guard.judges_from(seconds)) - now.steady)
        return max(0.0, pause)

    def claim(
        self, request: Request, limits: Sequence[ClaimLimit], due: Iterable[Run], now: Instant
    ) -> tuple[tuple[Run, ...], Changes]:
        """Grant the given due runs, each agent's in order up to its slots."""
        terms = {limit.subscription: limit for limit in limits}
        slots = {limit.subscription: limit.slots for limit in limits}
        moves: list[tuple[Run, Run]] = []
        for run in due:
            if slots.get(run.subscription, 0) > 0 and run.is_due(now):
                slots[run.subscription] -= 1
                granted = run.granted(
                    owner=request.incarnation,
                    request=str(request),
                    lease_seconds=terms[run.subscription].lease_seconds,
                    now=now,
                )
                moves.append((run, granted))
        return tuple(after for _, after in moves), changes_of(moves, now.at)

    def renew(self, owner: str, held: Sequence[Held], found: Runs, now: Instant) -> tuple[Renewals, tuple[Run, ...]]:
        """Which grants are lost or to be cancelled, and the others with their lease renewed."""
        lost: set[RunKey] = set()
        cancelled: set[RunKey] = set()
        renewed: list[Run] = []
        for grant in held:
            key = (grant.task_id, grant.agent)
            run = found.get(key)
            if run is None or not run.is_held_by(owner, grant.fence):
                lost.add(key)
                continue
            if run.is_cancel_requested:
                cancelled.add(key)
            renewed.append(run.renewed(now))
        return Renewals(lost=frozenset(lost), cancelled=frozenset(cancelled)), tuple(renewed)

    def finish(
        self, request: Request, finishes: Sequence[Finish], found: Runs, now: Instant
    ) -> tuple[tuple[bool, ...], Changes]:
        """Record each outcome whose grant is still the current one; the answer says which were recorded, in order."""
        moves: dict[RunKey, tuple[Run, Run]] = {}
        answers: list[bool] = []
        asked = str(request)
        likes: dict[tuple[object, ...], Run] = {}
        for finish in finishes:
            key = (finish.task_id, finish.agent)
            run = found.get(key)
            if run is not None and key not in moves and run.is_held_by(request.incarnation, finish.fence):
                moves[key] = (run, self._settled(run, finish, asked, likes, now))
                answers.append(True)
            else:
                # Asked again after a lost reply: the first time was recorded.
                answers.append(run is not None and run.fence == finish.fence and run.request == asked)
        return tuple(answers), changes_of(moves.values(), now.at)

    def _settled(self, run: Run, finish: Finish, asked: str, likes: dict[tuple[object, ...], Run], now: Instant) -> Run:
        """What its attempt came to. Within a batch nearly all ends are the same but for their results, as above."""
        decision = finish.decision
        if run.kin is None or not isinstance(decision, End) or decision.error is not None:
            return run.settled(decision, request=asked, seconds=finish.seconds, is_acked=finish.is_acked, now=now)
        terms = (run.kin, finish.is_acked, decision.state, decision.counts_attempt)
        model = likes.get(terms)
        if model is None:
            settled = run.settled(decision, request=asked, seconds=finish.seconds, is_acked=finish.is_acked, now=now)
            model = likes[terms] = settled.model()
        return model.of(run.task_id, run.queued_at, finish.seconds, decision.result)

    def release(
        self, request: Request, held: Sequence[Held], found: Runs, now: Instant, delay_seconds: float
    ) -> Changes:
        """Give the grants back that are still the caller's; the others are somebody else's by now."""
        moves: dict[RunKey, tuple[Run, Run]] = {}
        for grant in held:
            key = (grant.task_id, grant.agent)
            run = found.get(key)
            if run is not None and key not in moves and run.is_held_by(request.incarnation, grant.fence):
                released = run.released(
                    request=str(request), is_acked=grant.is_acked, now=now, delay_seconds=delay_seconds
                )
                moves[key] = (run, released)
        return changes_of(moves.values(), now.at)


def _fresh(asked: str, intake: Intake, now: Instant) -> Run:
    task = intake.task
    return Run(
        task_id=task.task_id,
        subscription=intake.subscription,
        state=RunState.QUEUED,
        queued_at=_queued_at(task, now),
        request=asked,
        due_at=now.at,
        return_address=return_address(task),
    )


def _queued_at(task: Task | Unreadable, now: Instant) -> datetime:
    """Since when the task could have been begun: a delayed one has not been waiting before it was due."""
    return now.at if isinstance(task, Unreadable) else task.due_at or task.created_at
