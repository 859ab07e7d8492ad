"""Commands over the server: read the task, decide, write if it is still the same."""

from __future__ import annotations

from datetime import timedelta

from omnidaemon.adapters.redis.faults import MOST_ROUNDS
from omnidaemon.adapters.redis.reading import read
from omnidaemon.adapters.redis.retention import Retention
from omnidaemon.adapters.redis.space import Outdated, RedisSpace
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.ports.run_commands import Decision, RecordCommands


class RedisRunCommands(RecordCommands):
    """Two round trips each, more where a worker changes the task in between."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    async def _apply(self, task_id: str, decide: Decision) -> None:
        space = self._space
        for round_ in range(MOST_ROUNDS):
            reading = await read(space, [task_id])
            if task_id not in reading.records:
                raise TaskNotFound(task_id)
            view = reading.view(space)
            changes = decide(reading.records[task_id], reading.now)
            view.expect_absent(run.key for run in changes.runs)
            writes = space.writes(reading.now, view)
            writes.add(changes, reading.tasks)
            writes.rests_on_agents = True
            try:
                if await space.apply(view, writes, reading.now):
                    return
            except Outdated:
                pass
            await space.pause(round_)
        raise space.too_busy()

    async def prune(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        """In steps, each of which is atomic."""
        now = self._space.clock.now().at
        return await Retention(self._space, now - keep, None if keep_dead is None else now - keep_dead).prune(limit)
