"""Commands over the memory tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.record import expired, is_expired
from omnidaemon.ports.run_commands import Decision, RecordCommands


class MemoryRunCommands(RecordCommands):
    """Each command: read the record, decide, write."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def _apply(self, task_id: str, decide: Decision) -> None:
        with self._space.transaction() as now:
            record = self._space.record(task_id)
            if record is None:
                raise TaskNotFound(task_id)
            self._space.apply(decide(record, now), now)

    async def prune(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        space = self._space
        with space.transaction() as now:
            keep_from = now.at - keep
            dead_from = datetime.min.replace(tzinfo=now.at.tzinfo) if keep_dead is None else now.at - keep_dead
            records = (space.record(i) for i, row in space.tasks.items() if row.created_at < keep_from)
            # The limit is on what goes, not on what is looked at: old tasks that have to stay would end all pruning.
            ripe = (record for record in records if record and is_expired(record, keep_from, dead_from))
            changes = expired(list(islice(ripe, limit)), keep_from, dead_from)
            space.apply(changes, now)
            space.journal = [event for event in space.journal if event.at >= keep_from]
            space.drop_settled(keep_from)
            for key in [key for key, until in space.tombstones.items() if until <= now.at]:
                del space.tombstones[key]
            return len(changes.deleted)
