"""Leases: renewed well before they run out, for as long as their handlers run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from omnidaemon.app.bridge import StopReason, Workforce
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.outages import Outages
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.requests import Grant
from omnidaemon.domain.run import RunKey
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import LeaseSpan, RunStore
from omnidaemon.ports.telemetry import Level, Telemetry

_SHARE_OF_LEASE = 4
_HINT_PAUSE_SECONDS = 0.5


class LeaseRenewals:
    """Renews each grant four times a lease, and at a hint learns soon what was cancelled.

    A grant that is cancelled has its handler stopped; so has one that is lost, unless its agent's policy has it go on.
    While the store is away the handlers go on: whether a lease has lapsed is for the store to say, once it is back.
    """

    def __init__(
        self,
        *,
        runs: RunStore,
        custody: Custody,
        workforce: Workforce,
        clock: Clock,
        telemetry: Telemetry,
        outages: Outages,
        incarnation: str,
        leases: LeaseSpan,
        hint: asyncio.Event,
    ) -> None:
        self._runs = runs
        self._custody = custody
        self._workforce = workforce
        self._clock = clock
        self._telemetry = telemetry
        self._outages = outages
        self._incarnation = incarnation
        self._leases = leases
        self._hint = hint
        self._is_waiting = False

    async def run(self) -> None:
        """Renew until cancelled: it goes on while the worker drains."""
        period = self._leases.shortest_seconds / _SHARE_OF_LEASE
        while True:
            await self.renew()
            # Hints are frequent under load and renewals cost a call: at most two a second are owed to them.
            pause = min(period, _HINT_PAUSE_SECONDS)
            await self._clock.wait(asyncio.Event(), pause)
            rest = period * random.uniform(0.8, 1.0) - pause  # noqa: S311 - jitter between workers
            if rest > 0:
                await self._clock.wait(self._hint, rest)
            self._hint.clear()

    async def renew(self) -> None:
        """Renew everything held, once."""
        holdings = self._custody.owned()
        try:
            answer = await self._runs.renew(
                self._incarnation, [holding.as_held() for holding in holdings], self._leases
            )
        except OmniDaemonError as error:
            if not error.is_transient:
                raise
            self._is_waiting = True
            self._outages.met(self, error)
            return
        if self._is_waiting:
            self._is_waiting = False
            self._outages.answered(self)
        asked = {holding.key: holding for holding in holdings}
        # Meanwhile some may have been finished, and their runs begun anew: the answer is not about those.
        same = {key for key, holding in asked.items() if self._custody.get(key) is holding}
        lost = [key for key in answer.lost if key in same and not asked[key].is_recording]
        if lost:
            self._give_up([asked[key] for key in lost])
        cancelled = [key for key in answer.cancelled if key in same]
        if cancelled:
            self._workforce.stop(cancelled, StopReason.REQUESTED)

    def _give_up(self, lost: Sequence[Holding]) -> None:
        stopped: list[RunKey] = []
        unbegun = self._taken_back(lost)
        for holding in lost:
            task_id, agent = holding.key
            tail = ""
            if holding.agent.policy.finishes_lost_runs and holding.grant not in unbegun:
                holding.is_lost, tail = True, "; its handler goes on, as on_lost_lease has it"
            else:
                stopped.append(holding.key)
            self._telemetry.say(
                Level.WARNING,
                f"agent {agent} lost task {task_id} to another worker{tail}",
                task_id=task_id,
                agent=agent,
            )
        if stopped:
            self._workforce.stop(stopped, StopReason.LOST)
            self._custody.remove(stopped)

    def _taken_back(self, lost: Sequence[Holding]) -> list[Grant]:
        """Those of these grants that wait for a slot yet; they wait no more."""
        grants = [holding.grant for holding in lost]
        agents = {holding.agent.subscription for holding in lost}
        waiting = [each for agent in agents for each in self._workforce.waiting(agent) if each.grant in grants]
        return [each.grant for each in self._workforce.take_back(waiting)]
