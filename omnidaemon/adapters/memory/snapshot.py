"""The memory tables as a value: what a test that tries every order of things goes back to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import attrs

from omnidaemon.adapters.memory.space import LoggedTask, MemorySpace
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.run import Run, RunKey

_FLAT_TABLES = (
    "runs",
    "running",
    "schedules",
    "keys",
    "unconfirmed",
    "lanes",
    "metrics",
    "tombstones",
    "outbox",
    "agents",
    "workers",
)
"""Those whose values are frozen, so that a copy of the dictionary is a copy of all."""


@attrs.frozen(kw_only=True)
class MemorySnapshot:
    """A space as it was, without its bus. Nothing that happens to the space changes it."""

    guard: LapseGuard
    _flat: Mapping[str, dict[Any, Any]] = attrs.field(alias="flat")
    _tasks: Mapping[str, LoggedTask] = attrs.field(alias="tasks")
    _due: Mapping[Subscription, tuple[Any, ...]] = attrs.field(alias="due")
    _journal: tuple[JournalEvent, ...] = attrs.field(alias="journal")

    @classmethod
    def of(cls, space: MemorySpace) -> MemorySnapshot:
        """What the space holds now."""
        with space.transaction():
            return cls(
                guard=space.guard,
                flat={name: dict(getattr(space, name)) for name in _FLAT_TABLES},
                tasks={
                    task_id: attrs.evolve(row, run_agents=set(row.run_agents)) for task_id, row in space.tasks.items()
                },
                due={subscription: tuple(queue) for subscription, queue in space.due_queues.items()},
                journal=tuple(space.journal),
            )

    def restore(self, space: MemorySpace) -> None:
        """Put it all back. Positions go on growing, so that the order of rows stays what it was."""
        with space.transaction():
            for name, table in self._flat.items():
                setattr(space, name, dict(table))
            space.guard = self.guard
            space.tasks.clear()
            for task_id, row in self._tasks.items():
                space.tasks[task_id] = attrs.evolve(row, run_agents=set(row.run_agents))
            space.due_queues = {subscription: list(queue) for subscription, queue in self._due.items()}
            space.journal = list(self._journal)

    @property
    def runs(self) -> Mapping[RunKey, Run]:
        """All runs."""
        return self._flat["runs"]

    @property
    def told(self) -> Mapping[str, Notification]:
        """What the outbox has of ended runs, by id."""
        return {entry.notification_id: entry.notification for entry in self._flat["outbox"].values()}

    @property
    def lanes(self) -> Mapping[tuple[str, str], int]:
        """The latest counter of each (incarnation, lane)."""
        return self._flat["lanes"]

    @property
    def marks(self) -> Hashable:
        """Which tasks are known and cancelled, and which runs have tombstones."""
        tasks = tuple((task_id, row.is_cancelled) for task_id, row in self._tasks.items())
        return (tasks, frozenset(self._flat["tombstones"]))
