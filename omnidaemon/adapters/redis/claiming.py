"""One claim: look, take lapsed runs from their owners, choose, and grant, unless somebody was faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from omnidaemon.adapters.redis.faults import MOST_ROUNDS
from omnidaemon.adapters.redis.forms import Kept, kept_of, lease_of, task_of
from omnidaemon.adapters.redis.guarding import KeptGuard
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.view import View
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.instant import Instant, moment
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import ClaimLimit, Claims, Grant, Request
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.run_store import LeaseSpan

# How many crashed runs are looked at beside the slots. Those at their last chance stay due until a worker is idle;
# more of them than this would hide other crashed runs behind them, for as long.
_CRASHED_LOOKED_AT: Final = 200

# As many as the script gives; there may be more then.
_LAPSED_LOOKED_AT: Final = 500

_SOON_SECONDS: Final = 0.05


@attrs.define
class _Look:
    """What the script `look` said."""

    now: Instant
    counter: int
    is_touched: bool
    lapsed: dict[RunKey, Kept] = attrs.field(factory=dict)
    due: dict[Subscription, list[Run]] = attrs.field(factory=dict)
    kept: dict[RunKey, Kept] = attrs.field(factory=dict)
    tasks: dict[str, Task | Unreadable] = attrs.field(factory=dict)
    later: list[datetime] = attrs.field(factory=list)
    leases: list[tuple[float, float, float | None]] = attrs.field(factory=list)
    """Of each length: its seconds, the first to run out, and the first that has not yet, where they are judged."""


class Claiming:
    """A claim under way. Two round trips where it grants something, one where there is nothing to do."""

    def __init__(
        self, space: RedisSpace, request: Request, limits: Sequence[ClaimLimit], leases: LeaseSpan, *, is_idle: bool
    ) -> None:
        self._space = space
        self._request = request
        self._limits = limits
        self._leases = leases
        self._is_idle = is_idle

    async def claim(self) -> tuple[Claims, Mapping[RunKey, Kept]]:
        """The answer, and the runs that were granted."""
        for round_ in range(MOST_ROUNDS):
            look = await self._look()
            if not round_ and look.counter == self._request.counter:
                return await self._granted_before(look.now)
            done = await self._decide(look)
            if done is not None:
                return done
            await self._space.pause(round_)
        return Claims(next_due_seconds=_SOON_SECONDS), {}

    # --- look ---------------------------------------------------------------------------------------------------------

    async def _look(self) -> _Look:
        space, request, before = self._space, self._request, self._space.guard
        after = before.touched(space.clock.now(), self._leases)
        terms = before.terms if before.terms == after.terms else ""
        limits = [
            word
            for limit in self._limits
            for word in (str(limit.subscription), limit.slots, limit.slots + _CRASHED_LOOKED_AT)
        ]
        lane = (request.incarnation, request.lane, request.counter)
        reply = await space.first_script("look", *lane, before.seen, terms, *limits)
        status, seconds, microseconds, counter, *rest = reply
        now = space.clock.note(seconds, microseconds)
        if status == b"lane":
            space.gates.admit(request, counter[0])
        guard, touched, lapsed, leases, due = rest
        space.guard = KeptGuard.told(*guard)
        look = _Look(now=now, counter=counter[0], is_touched=bool(touched))
        for length, first, later in leases:
            look.leases.append((float(length), lease_of(first), None if later is None else lease_of(later)))
        for row in lapsed:
            key, kept = self._learn(look, row, lease=row[2])
            if kept.run is not None:
                look.lapsed[key] = kept
        for limit, rows in zip(self._limits, due, strict=True):
            look.due[limit.subscription] = [run for row in rows if (run := self._due(look, row)) is not None]
        return look

    def _due(self, look: _Look, row: Sequence[Any]) -> Run | None:
        if len(row) == 3:  # noqa: PLR2004 - not due yet: id, agent, due time
            look.later.append(moment(int(row[2])))
            return None
        return self._learn(look, row)[1].run

    def _learn(self, look: _Look, row: Sequence[Any], lease: bytes | None = None) -> tuple[RunKey, Kept]:
        codec = self._space.codec
        key = (row[0].decode(), row[1].decode())
        kept = kept_of(key, row[3], lease, codec)
        if kept.run is not None:
            look.kept[key] = kept
            look.tasks[key[0]] = task_of(codec, key[0], *row[4:])
        return key, kept

    # --- decide -------------------------------------------------------------------------------------------------------

    async def _decide(self, look: _Look) -> tuple[Claims, Mapping[RunKey, Kept]] | None:
        space, gates, now, before = self._space, self._space.gates, look.now, self._space.guard
        guard = before if look.is_touched else before.touched(now, self._leases)
        running = [kept.run for kept in look.lapsed.values() if kept.run is not None]
        lapse = gates.lapse(running, guard.guard, now)
        due = self._with_lapsed(look, lapse)
        chosen, has_last_chance = gates.choose(self._limits, due, now, is_idle=self._is_idle)
        runs, changes = gates.claim(self._request, self._limits, chosen, now)
        touched = {run.key: look.kept[run.key] for run in (*lapse.runs, *runs)}
        view = View(space.codec, touched)
        writes = space.writes(now, view)
        if touched or not look.is_touched:
            writes.add(lapse)
            writes.add(changes)
            if not look.is_touched:
                writes.guard(guard)
            if not await space.apply(view, writes, now, request=self._request):
                return None
        claims = Claims(
            grants=tuple(Grant(run=run, task=look.tasks[run.task_id], at=now.at) for run in runs),
            next_due_seconds=gates.pause_seconds(
                self._first_due(look, due, runs), self._first_leases(look, lapse), guard.guard, now
            ),
            has_last_chance=has_last_chance,
        )
        return claims, {run.key: writes.moved[run.key] for run in runs}

    def _with_lapsed(self, look: _Look, lapse: Changes) -> dict[Subscription, list[Run]]:
        due = {subscription: list(runs) for subscription, runs in look.due.items()}
        for run in lapse.runs:
            if run.due_at is not None and run.subscription in due:
                due[run.subscription].append(run)
        for runs in due.values():
            runs.sort(key=lambda run: run.due_at or look.now.at)
        return due

    @staticmethod
    def _first_due(look: _Look, due: Mapping[Subscription, Sequence[Run]], granted: Sequence[Run]) -> datetime | None:
        gone = {run.key for run in granted}
        left = [run.due_at for runs in due.values() for run in runs if run.key not in gone and run.due_at is not None]
        return min((*left, *look.later), default=None)

    @staticmethod
    def _first_leases(look: _Look, lapse: Changes) -> list[tuple[float, float]]:
        gone = {run.lease_seconds for run in lapse.runs}
        firsts: list[tuple[float, float]] = []
        for length, first, later in look.leases:
            # More may have lapsed than were looked at.
            if length not in gone or len(look.lapsed) >= _LAPSED_LOOKED_AT:
                firsts.append((length, first))
            elif later is not None:
                firsts.append((length, later))
        return firsts

    # --- asked again --------------------------------------------------------------------------------------------------

    async def _granted_before(self, now: Instant) -> tuple[Claims, Mapping[RunKey, Kept]]:
        space = self._space
        grants: list[Grant] = []
        held: dict[RunKey, Kept] = {}
        for task_id, agent, lease, record, *task in await space.script("held", self._request.incarnation):
            key = (task_id.decode(), agent.decode())
            kept = kept_of(key, record, lease, space.codec)
            if kept.run is not None and kept.run.request == str(self._request):
                held[key] = kept
                grants.append(Grant(run=kept.run, task=task_of(space.codec, key[0], *task), at=now.at))
        return Claims(grants=tuple(grants), next_due_seconds=0.0), held
