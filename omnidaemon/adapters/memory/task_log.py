"""The task log and the schedules over the memory tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.task import Task
from omnidaemon.ports.schedules import Schedules, Taken
from omnidaemon.ports.task_log import Reservation, TaskLog


def _add(space: MemorySpace, tasks: Sequence[Task], kind: EventKind, now: Instant) -> None:
    """Log the tasks with the agents subscribed now; one that begin() logged first gets its agents here."""
    for task in tasks:
        row = space.log(task, now)
        if not row.is_logged:
            row.is_logged = True
            row.agents = tuple(sorted(s.agent for s in space.agents if s.topic == task.topic)) or None
            space.write_events([JournalEvent(kind=kind, task_id=task.task_id, topic=task.topic, at=now.at)])


class MemoryTaskLog(TaskLog):
    """What publishers write."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def add(self, tasks: Sequence[Task]) -> None:
        with self._space.transaction() as now:
            _add(self._space, tasks, EventKind.PUBLISHED, now)

    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        space = self._space
        answers: list[Reservation] = []
        with space.transaction() as now:
            for task in tasks:
                task_id = space.keys.setdefault((task.topic, task.idempotency_key or ""), task.task_id)
                if task_id == task.task_id and task_id not in space.tasks:
                    _add(space, [task], EventKind.PUBLISHED, now)
                    space.unconfirmed[task_id] = now.steady
                stored = space.tasks[task_id].task
                if isinstance(stored, Task):  # always so: what cannot be read has no key
                    answers.append(Reservation(task=stored, is_confirmed=task_id not in space.unconfirmed))
        return answers

    async def confirm(self, task_ids: Sequence[str]) -> None:
        with self._space.transaction():
            for task_id in task_ids:
                self._space.unconfirmed.pop(task_id, None)

    async def unconfirmed(self, older_than_seconds: float, limit: int) -> Sequence[Task]:
        space = self._space
        with space.transaction() as now:
            old = [i for i, since in space.unconfirmed.items() if now.steady - since >= older_than_seconds]
            return [task for i in old[:limit] if isinstance(task := space.tasks[i].task, Task)]


class MemorySchedules(Schedules):
    """Tasks with a due time, each with the time until which it is held by who took it."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def put(self, tasks: Sequence[Task]) -> None:
        space = self._space
        with space.transaction() as now:
            for task in tasks:
                due_at = task.due_at or now.at
                space.schedules.setdefault(task.task_id, (due_at, due_at))
            _add(space, tasks, EventKind.SCHEDULED, now)
        space.bell.ring()

    async def take(self, limit: int, hold_seconds: float) -> Taken:
        space = self._space
        with space.transaction() as now:
            order = sorted((free_at, task_id) for task_id, (_, free_at) in space.schedules.items())
            due = [task_id for free_at, task_id in order if free_at <= now.at][:limit]
            free_at = now.at + timedelta(seconds=hold_seconds)
            for task_id in due:
                space.schedules[task_id] = (space.schedules[task_id][0], free_at)
            tasks = tuple(task for task_id in due if isinstance(task := space.tasks[task_id].task, Task))
            rest = min((free_at for _, free_at in space.schedules.values()), default=None)
            return Taken(
                tasks=tasks, next_due_seconds=None if rest is None else max(0.0, (rest - now.at).total_seconds())
            )

    async def drop(self, task_ids: Sequence[str]) -> None:
        with self._space.transaction():
            for task_id in task_ids:
                self._space.schedules.pop(task_id, None)
