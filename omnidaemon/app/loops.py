"""What a worker does all the time: its loops, put together over one custody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import attrs

from omnidaemon.app.agents import Agent
from omnidaemon.app.ahead import AheadWatch
from omnidaemon.app.bridge import Workforce
from omnidaemon.app.claiming import DueClaims
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.finishing import OutcomeFinishes
from omnidaemon.app.intake import FreshIntake
from omnidaemon.app.lag import LagWatch
from omnidaemon.app.lanes import Lane
from omnidaemon.app.notifications import Notifications, NotifyingTerms
from omnidaemon.app.outages import Outages
from omnidaemon.app.pairing import handover
from omnidaemon.app.presence import Presence
from omnidaemon.app.renewing import LeaseRenewals
from omnidaemon.app.retention import Retention
from omnidaemon.app.scheduling import DueSchedules
from omnidaemon.app.supervision import Supervision
from omnidaemon.domain.agent import WorkerReport
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import EventBus, Inbox
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import LeaseSpan, Wakeups
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Telemetry

_IDLE_LEASE_SECONDS = 30.0
_HINT_BACKSTOP_SECONDS = 60.0
_HINT_PAUSE_SECONDS = 0.02


@attrs.frozen(kw_only=True)
class EngineOptions:
    """How a worker behaves, whatever its agents are. `last_word_seconds`: how long it waits, while leaving, for each
    answer of a store or bus that is away. `tells_ends`: each run that has succeeded is told, too."""

    incarnation: str
    version: str
    drain_seconds: float
    keep: timedelta
    keep_dead: timedelta | None
    last_word_seconds: float = 5.0
    tells_ends: bool = False


class Loops:
    """Made without I/O. Two kinds of loops run once started: the takers, which bring work in until they are stopped,
    and the keepers, which see to it until they are cancelled."""

    def __init__(
        self,
        *,
        bus: EventBus,
        storage: Storage,
        agents: Mapping[Subscription, Agent],
        workforce: Workforce,
        lag: LagWatch,
        clock: Clock,
        telemetry: Telemetry,
        notifying: NotifyingTerms,
        options: EngineOptions,
        report: Callable[[], WorkerReport],
        on_drained: Callable[[], None],
        declare: Callable[[], Awaitable[None]],
    ) -> None:
        self._bus = bus
        self._storage = storage
        self._agents = agents
        self._workforce = workforce
        self._lag = lag
        self._clock = clock
        self._telemetry = telemetry
        self._options = options
        self._supervision = Supervision(clock, telemetry)
        self._outages = Outages(clock, telemetry)
        self._hints: list[asyncio.Event] = []
        self._admission = asyncio.Lock()
        self._is_stopping = asyncio.Event()
        leases = [agent.policy.lease for agent in agents.values()] or [_IDLE_LEASE_SECONDS]
        self._leases = LeaseSpan(min(leases), max(leases))
        self.takers: list[asyncio.Task[None]] = []
        self.keepers: list[asyncio.Task[None]] = []
        self._notifying: asyncio.Task[None] | None = None
        self.intake: FreshIntake | None = None
        self._begin_lane, self._claim_lane = self._lane("begin"), self._lane("claim")
        self.custody = Custody(agents)
        self.finishes = OutcomeFinishes(
            runs=storage.runs,
            custody=self.custody,
            workforce=workforce,
            finish_lane=self._lane("finish"),
            release_lane=self._lane("release"),
            clock=clock,
            telemetry=telemetry,
            tells_ends=options.tells_ends,
        )
        self.ahead = AheadWatch(
            custody=self.custody,
            workforce=workforce,
            clock=clock,
            give_back=self.finishes.give_back,
            subscriptions=tuple(agents),
        )
        self.claims = DueClaims(
            runs=storage.runs,
            custody=self.custody,
            lane=self._claim_lane,
            clock=clock,
            telemetry=telemetry,
            admission=self._admission,
            dispatch=self._dispatch,
            agents=tuple(agents.values()),
            leases=self._leases,
            hint=self._hint(),
        )
        self.notifications = Notifications(
            bus=bus,
            storage=storage,
            terms=notifying,
            clock=clock,
            telemetry=telemetry,
            outages=self._outages,
            hint=self._hint(),
        )
        self.presence = Presence(
            registry=storage.registry,
            custody=self.custody,
            clock=clock,
            telemetry=telemetry,
            report=report,
            on_drained=on_drained,
            declare=declare,
            hint=self._hint(),
        )

    def start(self, inbox: Inbox, wakeups: Wakeups) -> None:
        """Begin to take in and to see to what is held."""
        self.intake = self._intake(inbox)
        take = partial(self._supervision.start, stopping=self._is_stopping)
        self.takers = [take("claims", self.claims.run), take("intake", self.intake.run)]
        keep = self._supervision.start
        self._notifying = keep("notifications", self.notifications.run)
        self.keepers = [
            self._notifying,
            keep("renewals", self._renewals().run),
            keep("finishes", self.finishes.run),
            keep("ahead", self.ahead.run),
            keep("presence", self.presence.run),
            keep("schedules", self._schedules().run),
            keep("retention", self._retention().run),
            keep("lag", self._lag.run),
            keep("hints", partial(self._pass_hints_on, wakeups)),
        ]

    def stop_taking(self) -> None:
        """Bring nothing more in; the takers return soon."""
        self._is_stopping.set()
        self.claims.stop()
        if self.intake is not None:
            self.intake.stop()
        self.ahead.stop()

    async def drained(self) -> None:
        """Return once nothing is taken any more and nothing is held."""
        if self.takers:
            await asyncio.wait(self.takers)
        await self.custody.emptied()

    async def end_taking(self) -> None:
        """End the takers. What the store is about to grant still comes into their hands, if it answers in time; they
        ask it for nothing more, also those that have waited for their turn to: that would be cut off halfway."""
        lanes = (self._begin_lane, self._claim_lane)
        for lane in lanes:
            lane.close()
        answers = [asyncio.ensure_future(lane.answered()) for lane in lanes]
        await asyncio.wait(answers, timeout=self._options.last_word_seconds)
        await cancelled([*answers, *self.takers])

    async def told(self, send_seconds: float) -> None:
        """Tell what is due of ended runs, and return once that is done: receivers may take so long, the store and the
        bus as long as for any last word. `TimeoutError` when one of them takes longer."""
        self.notifications.stop()
        if self._notifying is not None:
            patience = self._options.last_word_seconds
            await _first_of(self.notifications.has_taken_last, self._notifying, patience)
            await _first_of(self.notifications.is_idle, self._notifying, send_seconds)
            await asyncio.wait_for(asyncio.wait({self._notifying}), patience)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _dispatch(self, holdings: Sequence[Holding]) -> None:
        self.finishes.dispatch(holdings)
        self.ahead.notice()

    def _intake(self, inbox: Inbox) -> FreshIntake:
        return FreshIntake(
            inbox=inbox,
            runs=self._storage.runs,
            handover=handover(inbox, self._bus.capabilities, self._storage),
            custody=self.custody,
            lane=self._begin_lane,
            clock=self._clock,
            telemetry=self._telemetry,
            outages=self._outages,
            admission=self._admission,
            dispatch=self._dispatch,
            acks_settled=self.finishes.acks_settled,
            subscriptions=tuple(self._agents),
            when_stopped=lambda subscription: self._agents[subscription].profile.when_stopped,
        )

    def _renewals(self) -> LeaseRenewals:
        return LeaseRenewals(
            runs=self._storage.runs,
            custody=self.custody,
            workforce=self._workforce,
            clock=self._clock,
            telemetry=self._telemetry,
            outages=self._outages,
            incarnation=self._options.incarnation,
            leases=self._leases,
            hint=self._hint(),
        )

    def _schedules(self) -> DueSchedules:
        return DueSchedules(
            bus=self._bus,
            schedules=self._storage.schedules,
            log=self._storage.log,
            clock=self._clock,
            outages=self._outages,
            hint=self._hint(),
        )

    def _retention(self) -> Retention:
        return Retention(
            commands=self._storage.commands,
            clock=self._clock,
            outages=self._outages,
            keep=self._options.keep,
            keep_dead=self._options.keep_dead,
        )

    async def _pass_hints_on(self, wakeups: Wakeups) -> None:
        """Wake every loop that waits for news from the store."""
        while True:
            if await wakeups.wait(_HINT_BACKSTOP_SECONDS):
                for hint in self._hints:
                    hint.set()
                # The first is passed on at once. Where each batch brings one, as with webhooks, or with a store that
                # hints at every end, five loops would wake for each: 3 to 7% of the worker's CPU.
                await self._clock.wait(asyncio.Event(), _HINT_PAUSE_SECONDS)

    def _hint(self) -> asyncio.Event:
        hint = asyncio.Event()
        self._hints.append(hint)
        return hint

    def _lane(self, name: str) -> Lane:
        return Lane(self._options.incarnation, name, self._clock, self._outages)


async def _first_of(event: asyncio.Event, task: asyncio.Task[None], seconds: float) -> None:
    """Return once the event is set or the task is over; `TimeoutError` when neither is so in time."""
    waiting = asyncio.ensure_future(event.wait())
    done, _ = await asyncio.wait((waiting, task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    await cancelled([waiting])
    if not done:
        raise TimeoutError


async def cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel these and wait until they are through with it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
