"""The gates over the SQLite tables."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, cast

import attrs

from omnidaemon.adapters.sqlite.doorbell import Listener, Ring
from omnidaemon.adapters.sqlite.held_runs import HeldRuns, Kept
from omnidaemon.adapters.sqlite.holds import Acks, forget
from omnidaemon.adapters.sqlite.leases import Leases
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.moves import Place, Refuted
from omnidaemon.adapters.sqlite.reading import as_array
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.gates import Marks
from omnidaemon.domain.instant import micros, moment
from omnidaemon.domain.requests import (
    ClaimLimit,
    Claims,
    EndRun,
    Finish,
    Grant,
    Held,
    Intake,
    Renewals,
    Request,
)
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.ports.run_store import AckingRunStore, LeaseSpan, RunStore, Wakeups

# How many crashed runs are looked at beside the slots. Those at their last chance stay due until a worker is idle;
# more of them than this would hide other crashed runs behind them, for as long.
_CRASHED_LOOKED_AT: Final = 200

_DUE: Final = f"""
    SELECT {RUN_COLUMNS} FROM runs
    WHERE topic = ? AND agent = ? AND due_at IS NOT NULL AND due_at <= ? AND crashes = 0 ORDER BY due_at LIMIT ?
"""
_DUE_AFTER_CRASH: Final = f"""
    SELECT {RUN_COLUMNS} FROM runs
    WHERE topic = ? AND agent = ? AND due_at IS NOT NULL AND due_at <= ? AND crashes > 0 ORDER BY due_at LIMIT ?
"""
_FIRST_DUE: Final = """
    SELECT
        (SELECT min(due_at) FROM runs WHERE topic = value ->> 0 AND agent = value ->> 1
            AND due_at IS NOT NULL AND crashes = 0),
        (SELECT min(due_at) FROM runs WHERE topic = value ->> 0 AND agent = value ->> 1
            AND due_at IS NOT NULL AND crashes > 0)
    FROM json_each(?)
"""
_GRANTED_BY: Final = f"SELECT {RUN_COLUMNS} FROM runs WHERE state = 'running' AND owner = ? AND request = ?"
_RENEW: Final = "UPDATE runs SET lease_until = ? WHERE run_id = ?"


class SqliteRunStore(RunStore, AckingRunStore):
    """Each gate: read, decide, write, in one transaction of the writer. What is nearly always so is not read, but
    believed, and compared as it is written."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space
        self._held = HeldRuns()
        self._finds_all_fresh = True

    async def begin(self, request: Request, intakes: Sequence[Intake]) -> Sequence[Grant | None]:
        return await self._begin(request, intakes, (), durable=True)

    async def begin_acked(self, request: Request, intakes: Sequence[Intake], acks: object) -> Sequence[Grant | None]:
        # What a power failure takes back of this it takes back whole: the bus hands it out once more. What ends here
        # may have been seen by somebody, who would see something else then. Of what is believed only these end.
        ends = any(isinstance(intake, EndRun) for intake in intakes)
        return await self._begin(request, intakes, cast("Sequence[Acks]", acks), durable=ends)

    async def _begin(
        self, request: Request, intakes: Sequence[Intake], acks: Sequence[Acks], *, durable: bool
    ) -> Sequence[Grant | None]:
        """Nearly all deliveries are of tasks that are logged and have no run: that is believed until it was wrong, and
        then looked up until it is so again. What is looked up may end as it begins, and waits for the disk: its task
        may have been cancelled."""

        def believe(ledger: Ledger) -> _Begun:
            ledger.admit(request)
            answers, changes = ledger.gates.begin(request, intakes, {}, Marks(), ledger.now)
            ledger.apply_if_fresh(changes)
            forget(ledger.cursor, acks)
            return _Begun(answers, _ring_of(changes), ledger.places, are_fresh=True)

        def look(ledger: Ledger) -> _Begun:
            ledger.admit(request)
            task_ids = {intake.task.task_id for intake in intakes}
            found = ledger.found((intake.task.task_id, intake.subscription.agent) for intake in intakes)
            marks = ledger.marks(task_ids)
            are_fresh = not (found or marks.cancelled or marks.tombstones) and ledger.names_agents_of(task_ids)
            answers, changes = ledger.gates.begin(request, intakes, found, marks, ledger.now)
            ledger.apply(changes)
            forget(ledger.cursor, acks)
            return _Begun(answers, _ring_of(changes), ledger.places, are_fresh=are_fresh)

        begun: _Begun | None = None
        if self._finds_all_fresh:
            with contextlib.suppress(Refuted):
                begun = await self._space.write(believe, durable=durable, rings=_ring)
        if begun is None:
            begun = await self._space.write(look, rings=_ring)
        self._finds_all_fresh = begun.are_fresh
        self._held.remember((grant.run for grant in begun.answers if grant is not None), begun.places)
        return begun.answers

    async def claim_due(
        self, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool = False
    ) -> Claims:
        def work(ledger: Ledger) -> _Claimed:
            if ledger.admit(request):
                runs = ledger.runs(_GRANTED_BY, (request.incarnation, str(request)))
                return _Claimed(Claims(grants=_grants(ledger, runs), next_due_seconds=0.0), ledger.places)
            held = Leases(ledger)
            guard = held.touch(leases)
            lapsed = held.lapse(guard)
            due = {limit.subscription: _due(ledger, limit) for limit in limits}
            chosen, has_last_chance = ledger.gates.choose(limits, due, ledger.now, is_idle=is_idle)
            granted, changes = ledger.gates.claim(request, limits, chosen, ledger.now)
            ledger.apply(changes)
            pause = ledger.gates.pause_seconds(_first_due(ledger, limits), held.firsts(), guard, ledger.now)
            claims = Claims(grants=_grants(ledger, granted), next_due_seconds=pause, has_last_chance=has_last_chance)
            return _Claimed(claims, ledger.places, ring=_ring_of(lapsed))

        claimed = await self._space.write(work, durable=False, rings=_ring)
        self._held.remember((grant.run for grant in claimed.claims.grants), claimed.places)
        return claimed.claims

    async def renew(self, owner: str, held: Sequence[Held], leases: LeaseSpan) -> Renewals:
        def work(ledger: Ledger) -> tuple[Renewals, Sequence[Run], Mapping[RunKey, Place]]:
            Leases(ledger).touch(leases)
            found = ledger.found((grant.task_id, grant.agent) for grant in held)
            answer, renewed = ledger.gates.renew(owner, held, found, ledger.now)
            ledger.cursor.executemany(_RENEW, [(run.lease_until, ledger.places[run.key][0]) for run in renewed])
            return answer, renewed, ledger.places

        answer, renewed, places = await self._space.write(work, durable=False, is_urgent=True)
        self._held.remember(renewed, places)
        for grant in held:
            if (grant.task_id, grant.agent) in answer.lost:
                self._forget(grant)
        return answer

    async def finish(self, request: Request, finishes: Sequence[Finish]) -> Sequence[bool]:
        keys = {(finish.task_id, finish.agent) for finish in finishes}
        believed = self._held.of(request.incarnation, finishes)

        def work(ledger: Ledger, believed: Mapping[RunKey, Kept]) -> _Finished:
            ledger.admit(request)
            found = ledger.found(keys - believed.keys()) if len(believed) < len(keys) else {}
            found |= ledger.believe(believed)
            answers, changes = ledger.gates.finish(request, finishes, found, ledger.now)
            ledger.apply(changes)
            return _Finished(answers, _ring_of(changes))

        try:
            finished = await self._space.write(partial(work, believed=believed), rings=_ring)
        except Refuted:
            finished = await self._space.write(partial(work, believed={}), rings=_ring)
        for finish in finishes:
            self._forget(finish)
        return finished.answers

    async def release(self, request: Request, held: Sequence[Held], delay_seconds: float = 0.0) -> None:
        def work(ledger: Ledger) -> None:
            ledger.admit(request)
            found = ledger.found((grant.task_id, grant.agent) for grant in held)
            ledger.apply(ledger.gates.release(request, held, found, ledger.now, delay_seconds))

        await self._space.write(work, rings=Ring.EVERYBODY)
        for grant in held:
            self._forget(grant)

    def _forget(self, grant: Held | Finish) -> None:
        self._held.forget((grant.task_id, grant.agent), grant.fence)

    def wakeups(self) -> Wakeups:
        return SqliteWakeups(self._space.database.doorbell.listen())

    def news(self) -> Wakeups:
        return SqliteWakeups(self._space.database.doorbell.listen(follows=True))


class SqliteWakeups(Wakeups):
    """The doorbell's listener, with the closing that the port asks for."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def wait(self, seconds: float) -> bool:
        return await self._listener.wait(seconds)

    def close(self) -> None:
        self._listener.close()
        self._listener.hear()  # a wait under way returns


@attrs.frozen
class _Begun:
    """What begin() came to. `are_fresh`: all of it was as it nearly always is."""

    answers: Sequence[Grant | None]
    ring: Ring
    places: Mapping[RunKey, Place]
    are_fresh: bool = attrs.field(kw_only=True)


@attrs.frozen
class _Claimed:
    """What claim_due() came to."""

    claims: Claims
    places: Mapping[RunKey, Place]
    ring: Ring = attrs.field(default=Ring.NOBODY, kw_only=True)


@attrs.frozen
class _Finished:
    """What finish() came to."""

    answers: Sequence[bool]
    ring: Ring


def _ring_of(changes: Changes) -> Ring:
    """Who shall hear of them."""
    if changes.is_work:
        return Ring.EVERYBODY
    return Ring.FOLLOWERS if changes.is_news else Ring.NOBODY


def _ring(outcome: _Begun | _Claimed | _Finished) -> Ring:
    return outcome.ring


def _due(ledger: Ledger, limit: ClaimLimit) -> list[Run]:
    """The agent's due runs, as many as may matter, the longest due first."""
    terms = (limit.subscription.topic, limit.subscription.agent, micros(ledger.now.at))
    fresh = ledger.runs(_DUE, (*terms, limit.slots))
    crashed = ledger.runs(_DUE_AFTER_CRASH, (*terms, limit.slots + _CRASHED_LOOKED_AT))
    return sorted((*fresh, *crashed), key=lambda run: run.due_at or ledger.now.at)


def _first_due(ledger: Ledger, limits: Sequence[ClaimLimit]) -> datetime | None:
    subscriptions = as_array((limit.subscription.topic, limit.subscription.agent) for limit in limits)
    firsts = [first for row in ledger.rows(_FIRST_DUE, [subscriptions]) for first in row if first is not None]
    return moment(min(firsts)) if firsts else None


def _grants(ledger: Ledger, runs: Sequence[Run]) -> tuple[Grant, ...]:
    tasks = ledger.tasks(run.task_id for run in runs)
    return tuple(Grant(run=run, task=tasks[run.task_id], at=ledger.now.at) for run in runs)
