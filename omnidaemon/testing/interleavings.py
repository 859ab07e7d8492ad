"""Random walks: the steps of the exploration, one after the other on any storage, with the same promises checked.

Exploration needs a storage that can go back; a database cannot. A walk goes one way through the same world, over one
connection per worker, and ends with faults over: then everything must come to its end.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import attrs

from omnidaemon.ports.outbox import OutboxFilter
from omnidaemon.ports.run_store import RunStore
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.exploration import ONE, Scenario
from omnidaemon.testing.model.acts import act
from omnidaemon.testing.model.checks import Runs, Told, Violation, check_runs, check_told, check_world
from omnidaemon.testing.model.steps import Step, steps
from omnidaemon.testing.model.world import SPAN, Faults, World

MANY_FAULTS = Faults(
    crash=2, freeze=2, gap=1, lost=4, delayed=3, duplicate=4, cancel=1, requeue=2, answer=1, delete=1, drain=2
)
_PATIENCE = 2_000
_MOST_TOLD = 1_000


class _StorageStage:
    """The stage of `acts` on real connections."""

    def __init__(self, connections: Sequence[Storage], pass_time: Callable[[float], Awaitable[None]]) -> None:
        self._connections = connections
        self._pass_time = pass_time
        self.commands = connections[-1].commands

    def runs(self, worker: int) -> RunStore:
        """Workers take the connections in turn."""
        return self._connections[worker % len(self._connections)].runs

    async def pass_time(self, seconds: float) -> None:
        """As the place does it."""
        await self._pass_time(seconds)

    async def look(self, world: World) -> Runs:
        """The runs as the queries tell of them."""
        records = await self._connections[0].queries.records([task.task_id for task in world.tasks])
        return {run.key: run for record in records.values() for run in record.runs}

    async def told(self) -> Told:
        """What the outbox has of ended runs."""
        page = await self._connections[0].outbox.find(OutboxFilter(), limit=_MOST_TOLD)
        return {entry.notification_id: entry.notification for entry in page.entries}


@attrs.define
class RandomWalk:
    """One way through a scenario, chosen by a seed."""

    connections: Sequence[Storage]
    pass_time: Callable[[float], Awaitable[None]]
    scenario: Scenario
    seed: int
    _way: list[str] = attrs.field(factory=list, init=False)

    async def walk(self, length: int) -> int:
        """Take so many steps, then fair ones until everything has ended; how many it took in all.

        Raises `Violation` with the steps that led to a broken promise.
        """
        chance = random.Random(self.seed)  # noqa: S311 - a seed is the point
        stage = _StorageStage(self.connections, self.pass_time)
        world = self.scenario.world()
        await self.connections[0].log.add(world.tasks)
        for index, worker in enumerate(world.workers):
            await stage.runs(index).renew(worker.incarnation, (), SPAN)
        for _ in range(length):
            world = await self._step(chance.choice(list(steps(world))), world, stage)
        while not await self._has_ended(world, stage):
            fair = [step for step in steps(world) if step.is_fair]
            world = await self._step(chance.choice(fair), world, stage)
            if len(self._way) > length + _PATIENCE:
                raise Violation(f"no end was reached\n{self._told()}")
        return len(self._way)

    async def _step(self, step: Step, world: World, stage: _StorageStage) -> World:
        self._way.append(str(step))
        try:
            before, told = await stage.look(world), await stage.told()
            after = await act(step, world, stage)
            runs = await stage.look(after)
            check_runs(before, runs, after)
            check_told(before, runs, told, await stage.told())
            check_world(step, world, after)
        except Violation as broken:
            raise Violation(f"{broken}\nseed {self.seed}:\n{self._told()}") from None
        return after

    async def _has_ended(self, world: World, stage: _StorageStage) -> bool:
        runs = await stage.look(world)
        keys = [(task.task_id, ONE.agent) for task in world.tasks if task.task_id not in world.deleted]
        return all(key in runs and runs[key].state.is_end for key in keys)

    def _told(self) -> str:
        return "\n".join(f"  {each}" for each in self._way)
