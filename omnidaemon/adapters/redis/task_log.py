"""The task log and the schedules over the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.adapters.redis.forms import task_of
from omnidaemon.adapters.redis.roster import Roster
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.task_log import Reservation, TaskLog


async def log(
    space: RedisSpace, roster: Roster, tasks: Sequence[Task], kind: EventKind, *, reserves: bool = False
) -> Sequence[Sequence[Any]]:
    """Log the tasks with the agents subscribed now; one that begin() logged first gets its agents here, and one that is
    scheduled its due time. Answers with who has each key, when they are reserved."""
    if not tasks:
        return ()
    words: list[Any] = [kind, int(reserves)]
    for task in tasks:
        key = f"{task.topic}/{task.idempotency_key or ''}" if reserves else ""
        due = micros(task.due_at or task.created_at) if kind is EventKind.SCHEDULED else ""
        words += (task.task_id, task.topic, micros(task.created_at), space.codec.encode_task(task), key, due)

    async def call(named: list[Any]) -> Sequence[Any]:
        reply: Sequence[Any] = await space.first_script("log", *named, *words)
        space.clock.note(*reply[1:3])
        return reply

    answers: Sequence[Sequence[Any]] = await roster.settled((task.topic for task in tasks), call)
    return answers


class RedisTaskLog(TaskLog):
    """One round trip each, a second one when agents have come or gone since this object last heard of them."""

    def __init__(self, space: RedisSpace, roster: Roster) -> None:
        self._space = space
        self._roster = roster

    async def add(self, tasks: Sequence[Task]) -> None:
        await log(self._space, self._roster, tasks, EventKind.PUBLISHED)

    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        space = self._space
        answers: list[Reservation] = []
        for task_id, *stored, is_confirmed in await log(space, self._roster, tasks, EventKind.PUBLISHED, reserves=True):
            task = task_of(space.codec, task_id.decode(), *stored)
            if isinstance(task, Unreadable):
                reason = f"task {task.task_id} was stored by a newer version: {task.reason}"
                raise BackendUnusable(BACKEND, space.connection.location, reason, "install a newer omnidaemon")
            answers.append(Reservation(task=task, is_confirmed=bool(is_confirmed)))
        return answers

    async def confirm(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            await self._space.connection.command("ZREM", self._space.keys.of("unconfirmed"), *task_ids)

    async def unconfirmed(self, older_than_seconds: float, limit: int) -> Sequence[Task]:
        codec = self._space.codec
        rows = await self._space.script("unconfirmed", older_than_seconds, limit)
        tasks = (task_of(codec, task_id.decode(), *stored) for task_id, *stored in rows if stored[2] is not None)
        return [task for task in tasks if isinstance(task, Task)]
