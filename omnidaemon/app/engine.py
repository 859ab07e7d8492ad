"""A worker's engine: the loops that bring runs to its agents and their outcomes to the store, started and stopped."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import attrs

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report, Workforce
from omnidaemon.app.claiming import DueClaims
from omnidaemon.app.custody import Custody
from omnidaemon.app.finishing import OutcomeFinishes
from omnidaemon.app.intake import FreshIntake
from omnidaemon.app.lag import LagWatch
from omnidaemon.app.lanes import Lane
from omnidaemon.app.presence import Presence
from omnidaemon.app.renewing import LeaseRenewals
from omnidaemon.app.retention import Retention
from omnidaemon.app.scheduling import DueSchedules
from omnidaemon.domain.agent import WorkerReport
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import EventBus, Inbox
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import LeaseSpan, Wakeups
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Level, Telemetry

_RESTART_PAUSE_SECONDS = 1.0
_IDLE_LEASE_SECONDS = 30.0
_HINT_BACKSTOP_SECONDS = 60.0
_LAST_WORD_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class EngineOptions:
    """How a worker behaves, whatever its agents are."""

    incarnation: str
    version: str
    drain_seconds: float
    keep: timedelta
    keep_dead: timedelta | None


class Engine:
    """Belongs to the loop that calls start(). Started means ready: declared, subscribed, heard by the registry.

    Stopping is cooperative: take nothing more, let what runs finish within the grace, give the rest back, say goodbye
    last, so that no other worker takes it for dead while it still records.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        storage: Storage,
        agents: Mapping[Subscription, Agent],
        workforce: Workforce,
        culprit: Callable[[], str],
        agents_loop: asyncio.AbstractEventLoop,
        clock: Clock,
        telemetry: Telemetry,
        options: EngineOptions,
    ) -> None:
        self._bus = bus
        self._storage = storage
        self._agents = agents
        self._workforce = workforce
        self._clock = clock
        self._telemetry = telemetry
        self._options = options
        self._lag = LagWatch(agents_loop=agents_loop, culprit=culprit, telemetry=telemetry)
        self._custody = Custody(agents)
        self._hints: list[asyncio.Event] = []
        self._takers: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._release_now = asyncio.Event()
        self._is_draining = False
        self._started_at: datetime = clock.now().at
        self._inbox: Inbox | None = None
        self._wakeups: Wakeups | None = None
        leases = [agent.policy.lease for agent in agents.values()] or [_IDLE_LEASE_SECONDS]
        self._leases = LeaseSpan(min(leases), max(leases))
        self._finishes = OutcomeFinishes(
            runs=storage.runs,
            custody=self._custody,
            workforce=workforce,
            finish_lane=self._lane("finish"),
            release_lane=self._lane("release"),
            clock=clock,
            telemetry=telemetry,
        )
        self._presence = Presence(
            registry=storage.registry,
            custody=self._custody,
            clock=clock,
            telemetry=telemetry,
            report=self.report,
            hint=self._hint(),
        )

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register and declare the agents, subscribe, and begin. Raises what keeps the worker from working at all."""
        await self._declare()
        await self._presence.beat()
        subscriptions = tuple(self._agents)
        self._inbox = inbox = await self._bus.subscribe(subscriptions)
        self._wakeups = wakeups = self._storage.runs.wakeups()
        admission = asyncio.Lock()
        self._claims = DueClaims(
            runs=self._storage.runs,
            custody=self._custody,
            lane=self._lane("claim"),
            clock=self._clock,
            telemetry=self._telemetry,
            admission=admission,
            dispatch=self._finishes.dispatch,
            agents=tuple(self._agents.values()),
            leases=self._leases,
            hint=self._hint(),
        )
        self._intake = FreshIntake(
            inbox=inbox,
            runs=self._storage.runs,
            custody=self._custody,
            lane=self._lane("begin"),
            clock=self._clock,
            telemetry=self._telemetry,
            admission=admission,
            dispatch=self._finishes.dispatch,
            acks_settled=self._finishes.acks_settled,
            subscriptions=subscriptions,
            when_stopped=lambda subscription: self._agents[subscription].profile.when_stopped,
        )
        self._start_loops(wakeups)

    def _start_loops(self, wakeups: Wakeups) -> None:
        storage, clock, telemetry = self._storage, self._clock, self._telemetry
        renewals = LeaseRenewals(
            runs=storage.runs,
            custody=self._custody,
            workforce=self._workforce,
            clock=clock,
            telemetry=telemetry,
            incarnation=self._options.incarnation,
            leases=self._leases,
            hint=self._hint(),
        )
        schedules = DueSchedules(
            bus=self._bus,
            schedules=storage.schedules,
            log=storage.log,
            clock=clock,
            telemetry=telemetry,
            hint=self._hint(),
        )
        retention = Retention(
            commands=storage.commands,
            clock=clock,
            telemetry=telemetry,
            keep=self._options.keep,
            keep_dead=self._options.keep_dead,
        )
        self._takers = [self._supervised("claims", self._claims.run), self._supervised("intake", self._intake.run)]
        self._tasks = [
            self._supervised("renewals", renewals.run),
            self._supervised("finishes", self._finishes.run),
            self._supervised("presence", self._presence.run),
            self._supervised("schedules", schedules.run),
            self._supervised("retention", retention.run),
            self._supervised("lag", self._lag.run),
            self._supervised("hints", partial(self._pass_hints_on, wakeups)),
        ]

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back unfinished. Not to be called twice."""
        self._is_draining = True
        self._claims.stop()
        self._intake.stop()
        await self._within_grace(self._drained())
        await _cancelled(self._takers)
        given_back = len(self._custody)
        await self._last_word("deliveries were not given back", self._close_inbox())
        await self._last_word(f"{given_back} runs were not given back", self._finishes.release_all())
        await _cancelled(self._tasks)
        if self._wakeups is not None:
            self._wakeups.close()
        await self._last_word("the registry did not hear it", self._storage.registry.leave(self._options.incarnation))
        return given_back

    async def _last_word(self, otherwise: str, said: Awaitable[object]) -> None:
        """Wait for a store or a bus that is away, but not for ever, and never stay because of one that fails: what
        would have been given back comes back by itself, once its lease or its hold has run out."""
        try:
            await asyncio.wait_for(said, _LAST_WORD_SECONDS)
        except (TimeoutError, OmniDaemonError) as error:
            self._telemetry.say(Level.WARNING, f"while leaving, {otherwise}: {str(error) or 'no answer in time'}")

    async def _drained(self) -> None:
        """Return once nothing is taken any more and nothing is held."""
        await asyncio.gather(*self._takers)
        await self._custody.emptied()

    def release_now(self) -> None:
        """Cut the grace short: what still runs is given back at once."""
        self._release_now.set()

    async def _within_grace(self, done: Awaitable[None]) -> None:
        """Wait for it, for no longer than the grace, and no longer than nobody is in a hurry."""
        finished = asyncio.ensure_future(done)
        hurried = asyncio.ensure_future(self._release_now.wait())
        await asyncio.wait(
            (finished, hurried), timeout=self._options.drain_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await _cancelled([finished, hurried])

    # --- what it tells --------------------------------------------------------------------------------------------------

    def take_reports(self, reports: Sequence[Report]) -> None:
        """What attempts came to, from the workforce. On the engine's loop."""
        self._finishes.report(reports)

    def report(self) -> WorkerReport:
        """The worker as its heartbeat shows it."""
        return WorkerReport(
            incarnation=self._options.incarnation,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            subscriptions=tuple(self._agents),
            running=len(self._custody),
            is_draining=self._is_draining,
            version=self._options.version,
        )

    # --- parts ----------------------------------------------------------------------------------------------------------

    async def _declare(self) -> None:
        registry = self._storage.registry
        starts = await registry.register([agent.profile for agent in self._agents.values()])
        await self._bus.declare(starts)
        await registry.declared(tuple(starts))

    async def _close_inbox(self) -> None:
        if self._inbox is not None:
            await self._inbox.close()

    async def _pass_hints_on(self, wakeups: Wakeups) -> None:
        """Wake every loop that waits for news from the store."""
        while True:
            if await wakeups.wait(_HINT_BACKSTOP_SECONDS):
                for hint in self._hints:
                    hint.set()

    def _hint(self) -> asyncio.Event:
        hint = asyncio.Event()
        self._hints.append(hint)
        return hint

    def _lane(self, name: str) -> Lane:
        return Lane(self._options.incarnation, name, self._clock, self._telemetry)

    def _supervised(self, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(self._supervise(name, run), name=f"omnidaemon-{name}")

    async def _supervise(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a loop until it returns; one that fails is a bug or a broken store, and is begun anew after a pause."""
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - the one place where a loop's failure is caught
                self._telemetry.say(Level.ERROR, f"{name}: {type(error).__name__}: {error}; trying again")
                await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            else:
                return


async def _cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel these and wait until they are through with it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
