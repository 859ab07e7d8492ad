"""Delayed tasks over the server."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.adapters.redis.forms import task_of
from omnidaemon.adapters.redis.roster import Roster
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.task_log import log
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.task import Task
from omnidaemon.ports.schedules import Schedules, Taken


class RedisSchedules(Schedules):
    """A task is free when it is due, or when its present holder's time is up."""

    def __init__(self, space: RedisSpace, roster: Roster) -> None:
        self._space = space
        self._roster = roster

    async def put(self, tasks: Sequence[Task]) -> None:
        await log(self._space, self._roster, tasks, EventKind.SCHEDULED)

    async def take(self, limit: int, hold_seconds: float) -> Taken:
        rows, *rest = await self._space.script("take", limit, hold_seconds)
        codec = self._space.codec
        tasks = (task_of(codec, task_id.decode(), *stored) for task_id, *stored in rows if stored[2] is not None)
        return Taken(
            tasks=tuple(task for task in tasks if isinstance(task, Task)),
            next_due_seconds=float(rest[0]) if rest else None,
        )

    async def drop(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            await self._space.script("drop", *task_ids)
