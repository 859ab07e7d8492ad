"""Removing all that a namespace holds, on its bus and in its store."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from omnidaemon.domain.errors import NamespaceInUse, NotErasable
from omnidaemon.ports.backend import Erasable
from omnidaemon.ports.bus import BusInspector, EventBus
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage


@attrs.frozen(kw_only=True)
class Erased:
    """What was there: how many agents, runs by their status, and deliveries on the bus, where it can tell. `is_nothing`
    where none of these was, nor any task, event or worker."""

    agents: int
    runs: Mapping[str, int]
    waiting: int
    is_nothing: bool


class Eraser:
    """Of a bus and a storage that are open."""

    def __init__(self, *, bus: EventBus, storage: Storage) -> None:
        self._bus = bus
        self._storage = storage

    async def erase(self, *, force: bool = False) -> Erased:
        """Remove tasks, results, dead letters, agents and history for good; what was there.

        `NotErasable` when bus or store cannot; nothing is removed then. `NamespaceInUse` while workers live there,
        unless by force: they find gone what they run, and begin what is published from now on once they start again.
        """
        parts = [self._erasable(self._bus), self._erasable(self._storage)]
        census = await self._storage.registry.census()
        alive = sum(worker.is_alive for worker in census.workers)
        if alive and not force:
            raise NamespaceInUse(alive)
        runs: dict[str, int] = {}
        for (_, status), number in (await self._storage.queries.counts()).items():
            runs[status.value] = runs.get(status.value, 0) + number
        depths = await self._bus.depths() if isinstance(self._bus, BusInspector) else ()
        waiting = sum(depth.waiting for depth in depths)
        is_nothing = not (census.agents or census.workers or waiting or await self._knows_tasks())
        for part in parts:  # the bus first: what the store still knows can be erased again
            await part.erase()
        return Erased(agents=len(census.agents), runs=runs, waiting=waiting, is_nothing=is_nothing)

    async def _knows_tasks(self) -> bool:
        """Whether the store has any, or remembers what happened to one."""
        found = await self._storage.queries.find(TaskFilter(), None, 1)
        return bool(found.standings or await self._storage.journal.read(limit=1))

    def _erasable(self, part: EventBus | Storage) -> Erasable:
        if not isinstance(part, Erasable):
            raise NotErasable(part.capabilities.name)
        return part
