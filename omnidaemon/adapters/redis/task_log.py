"""The task log and the schedules over the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.adapters.redis.forms import entry_of, task_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.task_log import Reservation, TaskLog

_MOST_ROUNDS: Final = 30


async def log(
    space: RedisSpace, tasks: Sequence[Task], kind: EventKind, *, reserves: bool = False, schedules: bool = False
) -> Sequence[Sequence[Any]]:
    """Log the tasks with the agents subscribed now; one that begin() logged first gets its agents here. Answers with
    who has each key, when they are reserved."""
    if not tasks:
        return ()
    bodies = [space.codec.encode_task(task) for task in tasks]
    for _ in range(_MOST_ROUNDS):
        now = space.clock.now().at
        words: list[Any] = []
        for task, body in zip(tasks, bodies, strict=True):
            named = ",".join(s.agent for s in space.agents if s.topic == task.topic)
            event = JournalEvent(kind=kind, task_id=task.task_id, topic=task.topic, at=now)
            key = f"{task.topic}/{task.idempotency_key or ''}" if reserves else ""
            due = micros(task.due_at or now) if schedules else ""
            words += [task.task_id, task.topic, micros(task.created_at), body, key, due, entry_of(event), named]
        status, seconds, microseconds, *rest = await space.script("log", space.revision, int(reserves), *words)
        space.clock.note(seconds, microseconds)
        if status == b"ok":
            answers: Sequence[Sequence[Any]] = rest[0]
            return answers
        space.know_agents(*rest)
    raise space.too_busy()


class RedisTaskLog(TaskLog):
    """One round trip each, a second one when the registry has changed since this object last heard of it."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    async def add(self, tasks: Sequence[Task]) -> None:
        await log(self._space, tasks, EventKind.PUBLISHED)

    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        space = self._space
        answers: list[Reservation] = []
        for task_id, *stored, is_confirmed in await log(space, tasks, EventKind.PUBLISHED, reserves=True):
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
