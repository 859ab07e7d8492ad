"""Due runs: retries, requeues, released and held runs, and those whose worker died."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import attrs

from omnidaemon.app.agents import Agent
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.lanes import Lane
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import ClaimLimit, Claims
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import LeaseSpan, RunStore
from omnidaemon.ports.telemetry import Level, Telemetry

_SHORTEST_PAUSE_SECONDS = 0.1
_BACKSTOP_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class _Round:
    """What one call brought. `is_full`: some agent got all that it had room for, so more may be due. `has_room`: some
    agent had room at all; where none has, only a slot that is freed is worth another call."""

    claims: Claims
    is_full: bool
    has_room: bool


class DueClaims:
    """Claims what is due, as often as there is reason to: when the next run comes due, at a hint, and as a backstop
    every five seconds or so, or every lease where that is shorter. A run at its last chance is executed alone."""

    def __init__(
        self,
        *,
        runs: RunStore,
        custody: Custody,
        lane: Lane,
        clock: Clock,
        telemetry: Telemetry,
        admission: asyncio.Lock,
        dispatch: Callable[[Sequence[Holding]], None],
        agents: Sequence[Agent],
        leases: LeaseSpan,
        hint: asyncio.Event,
    ) -> None:
        self._runs = runs
        self._custody = custody
        self._lane = lane
        self._clock = clock
        self._telemetry = telemetry
        self._admission = admission
        self._dispatch = dispatch
        self._agents = agents
        self._leases = leases
        self._hint = hint
        self._is_stopping = asyncio.Event()
        self._freed = asyncio.Event()
        custody.on_freed(self._slots_freed)

    def stop(self) -> None:
        """Claim nothing more; run() returns soon."""
        self._is_stopping.set()
        self._hint.set()
        self._freed.set()

    async def run(self) -> None:
        """Claim until stopped."""
        while not self._is_stopping.is_set():
            done = await self._claim()
            if done.claims.has_last_chance:
                await self._run_last_chances()
                continue
            if done.is_full:
                continue
            if not done.has_room and self._due_waits():
                await self._until_room()
                continue
            # No more often than this, whatever the hints: each claim is a call on the store.
            await self._clock.wait(self._is_stopping, _SHORTEST_PAUSE_SECONDS)
            pause = _BACKSTOP_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter between workers
            # What others begin meanwhile is known before its lease can lapse.
            pause = min(pause, self._leases.shortest_seconds - _SHORTEST_PAUSE_SECONDS)
            if done.claims.next_due_seconds is not None and done.has_room:
                pause = min(pause, done.claims.next_due_seconds - _SHORTEST_PAUSE_SECONDS)
            if pause > 0:
                await self._clock.wait(self._hint, pause)
            self._hint.clear()

    async def _until_room(self) -> None:
        """Return once another call is worth it, or owed to those whose leases may have lapsed. A slot may have been
        freed while the last call was made; and one that is free may be for due runs without having been freed, since
        fresh tasks have had theirs."""
        longest = min(_BACKSTOP_SECONDS, self._leases.shortest_seconds)
        for _ in range(int(longest / _SHORTEST_PAUSE_SECONDS)):
            if await self._clock.wait(self._freed, _SHORTEST_PAUSE_SECONDS) or self._has_room():
                return

    def _has_room(self) -> bool:
        return any(map(self._custody.room_for_due, self._taking()))

    def _taking(self) -> Iterator[Subscription]:
        """The agents that take work: of a stopped one neither its slots nor what is due for it are of account."""
        return (agent.subscription for agent in self._agents if not self._custody.is_stopped(agent.subscription))

    async def _claim(self, *, is_idle: bool = False) -> _Round:
        async with self._custody.taking:
            self._freed.clear()
            limits = [
                self._limit(agent, is_idle=is_idle)
                for agent in self._agents
                if not self._custody.is_stopped(agent.subscription)
            ]
            claims = await self._lane.call(
                lambda request: self._runs.claim_due(request, limits, self._leases, is_idle=is_idle)
            )
            holdings = self._custody.add(claims.grants, self._clock.now().steady, is_fresh=False)
        self._tell_of_crashes(claims)
        self._dispatch(holdings)
        taken = Counter(grant.run.subscription for grant in claims.grants)
        is_full = False
        for limit in limits:
            waits = taken[limit.subscription] >= limit.slots and self._seems_due(claims)
            self._custody.saw_due(limit.subscription, waits=waits)
            is_full |= taken[limit.subscription] >= limit.slots > 0
        return _Round(claims=claims, is_full=is_full, has_room=any(limit.slots for limit in limits))

    def _tell_of_crashes(self, claims: Claims) -> None:
        for run in (grant.run for grant in claims.grants if grant.run.crashes):
            self._telemetry.say(
                Level.WARNING,
                f"agent {run.subscription.agent} takes task {run.task_id} over: {run.crashes} of its workers died",
                task_id=run.task_id,
                agent=run.subscription.agent,
            )

    def _limit(self, agent: Agent, *, is_idle: bool) -> ClaimLimit:
        # A run that executes alone takes nobody's share: fresh tasks wait until it is over anyway.
        room = self._custody.free if is_idle else self._custody.room_for_due
        return ClaimLimit(
            subscription=agent.subscription,
            slots=room(agent.subscription),
            lease_seconds=agent.policy.lease,
            crash_limit=agent.policy.crash_limit,
        )

    @staticmethod
    def _seems_due(claims: Claims) -> bool:
        return claims.next_due_seconds is not None and claims.next_due_seconds <= 0

    async def _run_last_chances(self) -> None:
        """Execute runs that one more crash would end, one at a time and with nothing beside them, so that a task which
        kills its process takes no other along. What runs now is left to finish first."""
        async with self._admission:
            is_suspect = True
            while is_suspect and not self._is_stopping.is_set():
                await self._custody.emptied()
                if not self._is_stopping.is_set():
                    done = await self._claim(is_idle=True)
                    is_suspect = self._is_last_chance(done.claims)
        self._custody.reconsider()

    def _is_last_chance(self, claims: Claims) -> bool:
        limits = {agent.subscription: agent.policy.crash_limit for agent in self._agents}
        return any(grant.run.is_last_chance(limits[grant.run.subscription]) for grant in claims.grants)

    def _slots_freed(self) -> None:
        self._freed.set()
        if self._due_waits():
            self._hint.set()

    def _due_waits(self) -> bool:
        return any(map(self._custody.due_waits, self._taking()))
