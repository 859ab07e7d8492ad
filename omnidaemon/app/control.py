"""What people order of agents: start, stop, remove, move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from omnidaemon.app.lanes import Lane
from omnidaemon.domain.errors import AgentBusy, AgentNotFound, InvalidValue
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.states import Status
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Telemetry

_BATCH = 200
_HEARD_WITHIN_SECONDS = 4.0
_LOOK_SECONDS = 0.1


class Control:
    """Writes the desired state; every worker hears of it and follows."""

    def __init__(self, *, bus: EventBus, storage: Storage, clock: Clock, ids: IdSource, telemetry: Telemetry) -> None:
        self._bus = bus
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._telemetry = telemetry

    async def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Want these agents running; `AgentNotFound` for an unknown one."""
        await self._storage.registry.desire(subscriptions, is_stopped=False)

    async def stop(self, subscriptions: Sequence[Subscription]) -> None:
        """Want these agents stopped: nothing new is received or claimed, what runs finishes. Outlives restarts."""
        await self._storage.registry.desire(subscriptions, is_stopped=True)

    async def all_agents(self) -> list[Subscription]:
        """Every subscription there is."""
        return [record.profile.subscription for record in (await self._storage.registry.census()).agents]

    async def remove(self, subscription: Subscription, heir: str | None = None) -> int:
        """End a subscription. What waits for it goes to the heir, another agent of the same topic, or is dropped.

        How many tasks were handed over from the bus; those that wait in the store go along. `AgentNotFound` when
        either does not exist; `AgentBusy`, with an heir, while runs are executed: whether they end well is not known.
        """
        known = set(await self.all_agents())
        if subscription not in known:
            raise AgentNotFound(subscription.topic, subscription.agent)
        target = None if heir is None else Subscription.checked(subscription.topic, heir)
        moved = 0
        if target is not None:
            if target == subscription:
                raise InvalidValue("to", heir, "another agent of the topic")
            if target not in known:
                raise AgentNotFound(target.topic, target.agent)
            await self._storage.registry.desire([subscription], is_stopped=True)
            await self._heard_of(subscription)
            running = (await self._storage.queries.counts()).get((subscription, Status.RUNNING), 0)
            if running:
                raise AgentBusy(subscription.topic, subscription.agent, running)
            moved = await self._hand_over(subscription, target)
        # The bus first: whoever is killed in between finds the agent still there, and removes it again. Once more after,
        # since a worker that started meanwhile has declared it.
        await self._bus.retire(subscription)
        await self._storage.registry.remove(subscription, target)
        await self._bus.retire(subscription)
        return moved

    async def _heard_of(self, subscription: Subscription) -> None:
        """Wait until every live worker that runs the agent has had a heartbeat since, and so begins nothing more."""
        asked_at = self._clock.now()
        while (self._clock.now().steady - asked_at.steady) < _HEARD_WITHIN_SECONDS:
            workers = (await self._storage.registry.census()).workers
            if not any(
                worker.is_alive and subscription in worker.report.subscriptions and worker.seen_at <= asked_at.at
                for worker in workers
            ):
                return
            await self._clock.wait(asyncio.Event(), _LOOK_SECONDS)

    async def _hand_over(self, subscription: Subscription, target: Subscription) -> int:
        """Take what the bus has for the one and hold it in the store for the other. Done again, it does no harm."""
        lane = Lane(f"move-{self._ids.new_id()}", "begin", self._clock, self._telemetry)
        inbox = await self._bus.subscribe([subscription])
        moved = 0
        try:
            while deliveries := await inbox.receive({subscription: _BATCH}, 0.0):
                holds = [HoldRun(task=delivery.task, subscription=target) for delivery in deliveries]
                await lane.call(partial(self._storage.runs.begin, intakes=holds))
                await inbox.ack(deliveries)
                moved += len(deliveries)
        finally:
            await inbox.close()
        return moved
