"""What people order of agents, workers and topics: start, stop, remove, move, drain, purge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from omnidaemon.app.lanes import Lane
from omnidaemon.app.outages import Outages
from omnidaemon.app.steps import LONGEST_SECONDS, USUAL_TASKS
from omnidaemon.domain.errors import AgentBusy, AgentInUse, AgentNotFound, InvalidValue, TaskNotFound, WrongState
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import HoldRun
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import Status
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.registry import Census
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Telemetry

_BATCH = 200
_PURGED_AT_ONCE: Final = 50
_HEARD_WITHIN_SECONDS = 4.0
_LOOK_SECONDS = 0.1


@attrs.frozen(kw_only=True)
class Purged:
    """What a step of purging a topic has dropped, in deliveries. `cursor` is where the next step goes on, None after
    the last one."""

    deliveries: int
    cursor: str | None


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

    async def drain(self, worker_ids: Sequence[str]) -> None:
        """Have these workers take nothing more, finish what they run, and leave; `WorkerNotFound`."""
        await self._storage.registry.drain(worker_ids)

    async def all_workers(self) -> list[str]:
        """Every worker that lives."""
        workers = (await self._storage.registry.census()).workers
        return [worker.report.incarnation for worker in workers if worker.is_alive]

    async def purge(self, topic: str) -> int:
        """Drop what waits on the topic, on the bus and in the store; how many deliveries that were. What an agent has
        begun goes on; what is not yet due is left. Those tasks are cancelled, so that nobody waits for them in vain.

        A task that comes in meanwhile may be dropped too, one that is begun meanwhile may be stopped.
        """
        step = await self.purge_step(topic)
        dropped = step.deliveries
        while step.cursor is not None:
            step = await self.purge_step(topic, step.cursor)
            dropped += step.deliveries
        return dropped

    async def purge_step(self, topic: str, cursor: str | None = None, limit: int = USUAL_TASKS) -> Purged:
        """A part of `purge()`, which ends soon however much waits.

        The first step drops all that the bus has: some microseconds for each. Each step cancels up to `limit` tasks,
        the newest first, from `cursor` on, and fewer where the store is slow. Until the last step is taken, tasks that
        nobody will get any more are listed as `queued`; a purge that was broken off is begun anew.
        """
        dropped = await self._bus.purge(topic) if cursor is None else 0
        wanted, began = TaskFilter(status=Status.QUEUED, topic=topic), self._clock.now().steady
        while True:
            page = await self._storage.queries.find(wanted, cursor, min(limit, _PURGED_AT_ONCE))
            dropped += sum(await asyncio.gather(*map(self._cancel_unbegun, page.standings)))
            cursor, limit = page.cursor, limit - len(page.standings)
            if cursor is None or limit <= 0 or self._clock.now().steady - began >= LONGEST_SECONDS:
                return Purged(deliveries=dropped, cursor=cursor)

    async def _cancel_unbegun(self, standing: TaskStanding) -> int:
        """Cancel what nobody has begun of a task; how much of it the store had, not the bus."""
        commands, task_id = self._storage.commands, standing.task_id
        for agent in standing.unbegun_agents if standing.runs else [None]:
            with contextlib.suppress(TaskNotFound, WrongState):  # this part has changed meanwhile
                await commands.cancel(task_id, agent)
        return len(standing.held_agents)

    async def remove(self, subscription: Subscription, heir: str | None = None, *, force: bool = False) -> int:
        """End a subscription. What waits for it goes to the heir, another agent of the same topic, or is dropped.

        How many tasks were handed over from the bus; those that wait in the store go along. `AgentNotFound` when
        either does not exist. `AgentInUse` while a live worker runs it, unless by `force`: then those workers take
        nothing more for it, and register it anew when they start again. `AgentBusy`, with an heir, while runs are
        executed: whether they end well is not known.
        """
        census = await self._storage.registry.census()
        known = {record.profile.subscription for record in census.agents}
        if subscription not in known:
            raise AgentNotFound(subscription.topic, subscription.agent)
        target = None if heir is None else Subscription.checked(subscription.topic, heir)
        if target is not None:
            if target == subscription:
                raise InvalidValue("to", heir, "another agent of the topic")
            if target not in known:
                raise AgentNotFound(target.topic, target.agent)
        if not force and (workers := _last_heard(census, subscription)):
            raise AgentInUse(subscription.topic, subscription.agent, len(workers))
        moved = 0
        if target is not None:
            await self._storage.registry.desire([subscription], is_stopped=True)
            await self._heard_of(subscription)
            running = (await self._storage.queries.counts()).get((subscription, Status.RUNNING), 0)
            if running:
                raise AgentBusy(subscription.topic, subscription.agent, running)
            moved = await self._hand_over(subscription, target)
        # The bus first: whoever is killed in between finds the agent still there, and removes it again. Once more
        # after, since a worker that started meanwhile has declared it.
        await self._bus.retire(subscription)
        await self._storage.registry.remove(subscription, target)
        await self._bus.retire(subscription)
        return moved

    async def _heard_of(self, subscription: Subscription) -> None:
        """Wait until every live worker that runs the agent has had a heartbeat since, and so begins nothing more."""
        began = self._clock.now().steady
        # Each by its own last heartbeat, not by the time here: heartbeats are dated by the store's clock.
        before = _last_heard(await self._storage.registry.census(), subscription)
        waited_for = set(before)
        while waited_for and self._clock.now().steady - began < _HEARD_WITHIN_SECONDS:
            await self._clock.wait(asyncio.Event(), _LOOK_SECONDS)
            now = _last_heard(await self._storage.registry.census(), subscription)
            waited_for = {worker for worker in waited_for if now.get(worker) == before[worker]}

    async def _hand_over(self, subscription: Subscription, target: Subscription) -> int:
        """Take what the bus has for the one and hold it in the store for the other. Done again, it does no harm."""
        lane = Lane(f"move-{self._ids.new_id()}", "begin", self._clock, Outages(self._clock, self._telemetry))
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


def _last_heard(census: Census, subscription: Subscription) -> Mapping[str, datetime]:
    """The live workers that run an agent, each with the time of its last heartbeat."""
    return {
        worker.report.incarnation: worker.seen_at
        for worker in census.workers
        if worker.is_alive and subscription in worker.report.subscriptions
    }
