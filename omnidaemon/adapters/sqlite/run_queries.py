"""Queries over the SQLite tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from omnidaemon.adapters.sqlite.listing import Listing
from omnidaemon.adapters.sqlite.reading import Reading, as_array
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.states import Status
from omnidaemon.ports.run_queries import Page, RunQueries, TaskFilter, position_before

_ENDED: Final = """
    SELECT wanted.value FROM json_each(?) AS wanted LEFT JOIN tasks ON tasks.task_id = wanted.value
    WHERE ifnull(tasks.is_cancelled, 1) OR EXISTS (
        SELECT 1 FROM runs WHERE runs.task_id = wanted.value AND finished_at IS NOT NULL
    )
"""
_COUNTS: Final = """
    SELECT topic, agent, state, count(*) FROM runs WHERE state <> 'running' GROUP BY state, topic, agent
    UNION ALL
    SELECT topic, agent, state, count(*) FROM runs WHERE state = 'running' GROUP BY topic, agent
"""


class SqliteRunQueries(RunQueries):
    """Every answer is of one snapshot."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def records(self, task_ids: Sequence[str]) -> Mapping[str, TaskRecord]:
        return await self._space.read(lambda reading: reading.records(task_ids))

    async def ended(self, task_ids: Sequence[str]) -> Sequence[str]:
        return await self._space.read(lambda reading: [row[0] for row in reading.rows(_ENDED, [as_array(task_ids)])])

    async def find(self, wanted: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page:
        before = position_before(cursor)
        return await self._space.read(lambda reading: Listing(reading, wanted).page(before, limit))

    async def counts(self) -> Mapping[tuple[Subscription, Status], int]:
        def work(reading: Reading) -> dict[tuple[Subscription, Status], int]:
            rows = reading.rows(_COUNTS)
            return {(Subscription(topic, agent), Status(state)): count for topic, agent, state, count in rows}

        return await self._space.read(work)

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        return await self._space.read(lambda reading: reading.metrics())
