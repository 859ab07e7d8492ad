"""The registry over the memory tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.agent import (
    WORKERS_REMEMBERED,
    AgentProfile,
    DesiredState,
    Start,
    WorkerRecord,
    WorkerReport,
    found_agent,
    found_worker,
    registered,
)
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import abandoned, withdrawn
from omnidaemon.ports.registry import AgentRegistry, Census


class MemoryRegistry(AgentRegistry):
    """Agents and workers in dictionaries."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def register(self, profiles: Sequence[AgentProfile]) -> Mapping[Subscription, Start]:
        space = self._space
        with space.transaction() as now:
            records = registered(profiles, space.agents, now.at)
            space.agents.update(records)
            return {subscription: record.declaration for subscription, record in records.items()}

    async def declared(self, subscriptions: Sequence[Subscription]) -> None:
        with self._space.transaction():
            for subscription in subscriptions:
                record = self._space.agents.get(subscription)
                if record is not None:
                    self._space.agents[subscription] = attrs.evolve(record, is_declared=True)

    async def beat(self, report: WorkerReport) -> DesiredState:
        space = self._space
        with space.transaction() as now:
            before, _ = space.workers.get(report.incarnation, (None, None))
            kept = report.after(before)
            space.workers[report.incarnation] = (kept, now.at)
            return DesiredState.of(space.agents, kept)

    async def leave(self, incarnation: str) -> None:
        with self._space.transaction():
            self._space.workers.pop(incarnation, None)
            for lane in [lane for lane in self._space.lanes if lane[0] == incarnation]:
                del self._space.lanes[lane]

    async def census(self) -> Census:
        space = self._space
        with space.transaction() as now:
            workers = [
                WorkerRecord.seen(report, seen_at, now.at)
                for report, seen_at in space.workers.values()
                if seen_at >= now.at - WORKERS_REMEMBERED
            ]
            return Census(
                agents=tuple(space.agents[subscription] for subscription in sorted(space.agents)),
                workers=tuple(sorted(workers, key=lambda worker: worker.report.incarnation)),
            )

    async def desire(self, subscriptions: Sequence[Subscription], *, is_stopped: bool) -> None:
        space = self._space
        with space.transaction():
            records = [found_agent(space.agents, subscription) for subscription in subscriptions]
            for record in records:
                space.agents[record.profile.subscription] = record.desired(is_stopped=is_stopped)
        space.bell.ring()

    async def drain(self, incarnations: Sequence[str]) -> None:
        space = self._space
        with space.transaction():
            known = {incarnation: report for incarnation, (report, _) in space.workers.items()}
            drained = {each: found_worker(known, each).drained() for each in incarnations}
            for incarnation, report in drained.items():
                space.workers[incarnation] = (report, space.workers[incarnation][1])
        space.bell.ring()

    async def remove(self, subscription: Subscription, heir: Subscription | None = None) -> None:
        space = self._space
        with space.transaction() as now:
            agent = found_agent(space.agents, subscription)
            topics = (task_id for task_id, row in space.tasks.items() if row.task.topic == subscription.topic)
            records = [record for record in map(space.record, topics) if record is not None]
            space.apply(abandoned(records, agent, now), now)
            del space.agents[subscription]
            runs = [run for run in space.runs.values() if run.subscription == subscription and not run.state.is_end]
            space.apply(withdrawn(runs, heir, space.runs, now), now)
        space.bell.ring()
