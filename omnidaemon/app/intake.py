"""Fresh tasks: receive, begin, ack, execute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from omnidaemon.app.custody import Custody, Holding
from omnidaemon.app.lanes import Lane, Persistence
from omnidaemon.app.outages import Outages, is_the_backends
from omnidaemon.app.pairing import Handover
from omnidaemon.app.receiving import Receiving
from omnidaemon.domain.agent import WhenStopped
from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import (
    NEWER_SCHEMA_PAUSE_SECONDS,
    EndRun,
    Grant,
    HoldRun,
    Intake,
    Request,
    StartRun,
    undecodable,
)
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.ports.bus import Delivery, Inbox
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.telemetry import Level, Telemetry

_MOST_TOLD = 1000


class FreshIntake:
    """Takes from the bus only what the agents have room for, gives it into the store's custody, and hands it on."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        runs: RunStore,
        handover: Handover | None,
        custody: Custody,
        lane: Lane,
        clock: Clock,
        telemetry: Telemetry,
        outages: Outages,
        admission: asyncio.Lock,
        dispatch: Callable[[Sequence[Holding]], None],
        acks_settled: Callable[[], None],
        subscriptions: Sequence[Subscription],
        when_stopped: Callable[[Subscription], WhenStopped],
    ) -> None:
        self._inbox = inbox
        self._runs = runs
        self._handover = handover
        self._custody = custody
        self._lane = lane
        self._clock = clock
        self._telemetry = telemetry
        self._admission = admission
        self._dispatch = dispatch
        self._acks_settled = acks_settled
        self._subscriptions = subscriptions
        self._when_stopped = when_stopped
        self._is_admitting = False
        self._in_hand: Sequence[Delivery] = ()
        self._ahead: Mapping[Subscription, int] = {}
        self._told: set[tuple[Subscription, str]] = set()
        self._is_stopping = asyncio.Event()
        self._receiving = Receiving(
            inbox=inbox,
            custody=custody,
            clock=clock,
            bus=Persistence(clock, outages),
            may_start=lambda: self._is_admitting or not admission.locked(),
            subscriptions=subscriptions,
            when_stopped=when_stopped,
        )

    def stop(self) -> None:
        """Receive nothing more; run() returns soon."""
        self._is_stopping.set()
        self._receiving.stop()

    async def run(self) -> None:
        """Take in until stopped. What is in hand by then the inbox gives back."""
        try:
            if self._in_hand and not self._is_stopping.is_set():
                await self._take_in_hand()
            while not self._is_stopping.is_set():
                batch = await self._receiving.next()
                if batch is not None:
                    self._in_hand, self._ahead = batch.deliveries, batch.ahead
                    if not self._is_stopping.is_set():
                        await self._receiving.begin_next(batch)
                    await self._take_in_hand()
        finally:
            await self._receiving.rest()

    async def _take_in_hand(self) -> None:
        deliveries = self._in_hand
        try:
            await self._admit(deliveries)
        except Exception as error:
            if is_the_backends(error):
                raise  # Somebody has to mend it. A loop that failed is begun anew and finds the deliveries here.
            await self._take_in_apart(deliveries)
        self._in_hand = ()

    async def _take_in_apart(self, deliveries: Sequence[Delivery]) -> None:
        """One at a time: a delivery that the store chokes on must not hold up all others. It stays with the bus, which
        may bring it again once its hold is over. Where none can be taken in, it may be the store that cannot; that must
        not empty the whole bus into holds, so the loop fails, and pauses."""
        failed: list[Exception] = []
        is_news = False
        for place, delivery in enumerate(deliveries):
            self._in_hand = deliveries[place:]
            try:
                await self._admit([delivery])
            except Exception as error:
                if is_the_backends(error):
                    raise
                failed.append(error)
                is_news |= self._tell_of(delivery, error)
        self._in_hand = ()
        if is_news and len(failed) == len(deliveries):
            raise failed[0]

    def _tell_of(self, delivery: Delivery, error: Exception) -> bool:
        """Say that it cannot be taken in, unless that is said already."""
        subscription, task_id = delivery.subscription, delivery.task.task_id
        if (subscription, task_id) in self._told:
            return False
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add((subscription, task_id))
        self._telemetry.say(
            Level.ERROR,
            f"agent {subscription.agent} cannot take in task {task_id}, which stays on the bus: {type(error).__name__}",
            task_id=task_id,
            agent=subscription.agent,
        )
        return True

    async def _admit(self, deliveries: Sequence[Delivery]) -> None:
        if self._is_stopping.is_set() or self._admission.locked():
            # Nothing may start now. In the store it is everybody's, here it would wait for as long as that lasts.
            await self._take_in(deliveries, may_start=False)
        else:
            async with self._admission:
                self._is_admitting = True
                try:
                    await self._take_in(deliveries, may_start=True)
                finally:
                    self._is_admitting = False

    async def _take_in(self, deliveries: Sequence[Delivery], *, may_start: bool) -> None:
        if not deliveries:
            return
        async with self._custody.taking:
            free = {s: self._custody.free(s, self._ahead.get(s)) if may_start else 0 for s in self._subscriptions}
            stopped = {s for s in self._subscriptions if self._custody.is_stopped(s)}
            leases = {s: self._custody.lease_seconds(s) for s in self._subscriptions}
            intakes = [self._intake(delivery, free, stopped, leases) for delivery in deliveries]
            answers = await self._lane.call(partial(self._begin, intakes, deliveries))
            grants = [grant for grant in answers if grant is not None]
            holdings = self._custody.add(grants, self._clock.now().steady, is_fresh=True)
            self._receiving.taken_in()
            for holding in holdings:
                holding.is_acked = self._handover is not None
                holding.awaits_ack = self._handover is None
        self._dispatch(holdings)
        if self._handover is None:
            await self._forget(deliveries, holdings)

    async def _begin(
        self, intakes: Sequence[Intake], deliveries: Sequence[Delivery], request: Request
    ) -> Sequence[Grant | None]:
        if self._handover is None:
            return await self._runs.begin(request, intakes)
        return await self._handover.begin(request, intakes, deliveries)

    async def _forget(self, deliveries: Sequence[Delivery], holdings: Sequence[Holding]) -> None:
        """Ack what is begun, and let its outcomes be recorded."""
        try:
            is_acked = await self._ack(deliveries)
            for holding in holdings:
                holding.is_acked = is_acked
        finally:
            for holding in holdings:
                holding.awaits_ack = False
            self._acks_settled()

    async def _ack(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether the bus has forgotten them. If not, they may come again and are dropped: the store answers for
        them."""
        try:
            await self._inbox.ack(deliveries)
        except OmniDaemonError as error:
            if not error.is_transient:
                raise
            self._telemetry.say(Level.WARNING, f"{len(deliveries)} deliveries could not be acked: {error}")
            return False
        return True

    def _intake(
        self,
        delivery: Delivery,
        free: dict[Subscription, int],
        stopped: Collection[Subscription],
        leases: Mapping[Subscription, float],
    ) -> Intake:
        subscription, task = delivery.subscription, delivery.task
        if isinstance(task, Unreadable):
            if task.is_newer:
                return HoldRun(task=task, subscription=subscription, delay_seconds=NEWER_SCHEMA_PAUSE_SECONDS)
            return EndRun(task=task, subscription=subscription, state=RunState.DEAD, error=undecodable(task))
        if subscription in stopped:
            if self._when_stopped(subscription) is WhenStopped.SKIP:
                return EndRun(task=task, subscription=subscription, state=RunState.SKIPPED)
            return HoldRun(task=task, subscription=subscription)
        if free[subscription] <= 0:
            return HoldRun(task=task, subscription=subscription)
        free[subscription] -= 1
        return StartRun(task=task, subscription=subscription, lease_seconds=leases[subscription])
