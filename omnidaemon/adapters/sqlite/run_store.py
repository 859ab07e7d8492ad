"""The gates over the SQLite tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from omnidaemon.adapters.sqlite.doorbell import Listener
from omnidaemon.adapters.sqlite.holds import Acks, forget
from omnidaemon.adapters.sqlite.leases import Leases
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import as_array
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS
from omnidaemon.adapters.sqlite.space import SqliteSpace
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
from omnidaemon.domain.run import Run
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
    """Each gate: read, decide, write, in one transaction of the writer."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def begin(self, request: Request, intakes: Sequence[Intake]) -> Sequence[Grant | None]:
        return await self._begin(request, intakes, (), durable=True)

    async def begin_acked(self, request: Request, intakes: Sequence[Intake], acks: object) -> Sequence[Grant | None]:
        # What a power failure takes back of this it takes back whole: the bus hands it out once more. What ends here
        # may have been seen by somebody, who would see something else then.
        ends = any(isinstance(intake, EndRun) for intake in intakes)
        return await self._begin(request, intakes, cast("Sequence[Acks]", acks), durable=ends)

    async def _begin(
        self, request: Request, intakes: Sequence[Intake], acks: Sequence[Acks], *, durable: bool
    ) -> Sequence[Grant | None]:
        task_ids = {intake.task.task_id for intake in intakes}

        def work(ledger: Ledger) -> tuple[Sequence[Grant | None], bool]:
            ledger.admit(request)
            found = ledger.found((intake.task.task_id, intake.subscription.agent) for intake in intakes)
            marks = ledger.marks(task_ids)
            answers, changes = ledger.gates.begin(request, intakes, found, marks, ledger.now)
            ledger.apply(changes)
            forget(ledger.cursor, acks)
            return answers, changes.is_news

        answers, _ = await self._space.write(work, durable=durable, rings=_is_news)
        return answers

    async def claim_due(
        self, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool = False
    ) -> Claims:
        def work(ledger: Ledger) -> tuple[Claims, bool]:
            if ledger.admit(request):
                runs = ledger.runs(_GRANTED_BY, (request.incarnation, str(request)))
                return Claims(grants=_grants(ledger, runs), next_due_seconds=0.0), False
            held = Leases(ledger)
            guard = held.touch(leases)
            lapsed = held.lapse(guard)
            due = {limit.subscription: _due(ledger, limit) for limit in limits}
            chosen, has_last_chance = ledger.gates.choose(limits, due, ledger.now, is_idle=is_idle)
            granted, changes = ledger.gates.claim(request, limits, chosen, ledger.now)
            ledger.apply(changes)
            pause = ledger.gates.pause_seconds(_first_due(ledger, limits), held.firsts(), guard, ledger.now)
            claims = Claims(grants=_grants(ledger, granted), next_due_seconds=pause, has_last_chance=has_last_chance)
            return claims, lapsed.is_news

        claims, _ = await self._space.write(work, durable=False, rings=_is_news)
        return claims

    async def renew(self, owner: str, held: Sequence[Held], leases: LeaseSpan) -> Renewals:
        def work(ledger: Ledger) -> Renewals:
            Leases(ledger).touch(leases)
            found = ledger.found((grant.task_id, grant.agent) for grant in held)
            answer, renewed = ledger.gates.renew(owner, held, found, ledger.now)
            ledger.cursor.executemany(_RENEW, [(run.lease_until, ledger.run_ids[run.key]) for run in renewed])
            return answer

        return await self._space.write(work, durable=False, is_urgent=True)

    async def finish(self, request: Request, finishes: Sequence[Finish]) -> Sequence[bool]:
        def work(ledger: Ledger) -> Sequence[bool]:
            ledger.admit(request)
            found = ledger.found((finish.task_id, finish.agent) for finish in finishes)
            answers, changes = ledger.gates.finish(request, finishes, found, ledger.now)
            ledger.apply(changes)
            return answers

        return await self._space.write(work, rings=True)

    async def release(self, request: Request, held: Sequence[Held], delay_seconds: float = 0.0) -> None:
        def work(ledger: Ledger) -> None:
            ledger.admit(request)
            found = ledger.found((grant.task_id, grant.agent) for grant in held)
            ledger.apply(ledger.gates.release(request, held, found, ledger.now, delay_seconds))

        await self._space.write(work, rings=True)

    def wakeups(self) -> Wakeups:
        return SqliteWakeups(self._space.database.doorbell.listen())


class SqliteWakeups(Wakeups):
    """The doorbell's listener, with the closing that the port asks for."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def wait(self, seconds: float) -> bool:
        return await self._listener.wait(seconds)

    def close(self) -> None:
        self._listener.close()
        self._listener.hear()  # a wait under way returns


def _is_news(outcome: tuple[object, bool]) -> bool:
    """Whether a call's changes are of interest to those who wait."""
    return outcome[1]


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
