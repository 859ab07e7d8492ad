"""Queries over the memory tables."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from itertools import islice

from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.states import Status
from omnidaemon.ports.journal import Journal
from omnidaemon.ports.run_queries import Page, RunQueries, TaskFilter, position_before


class MemoryRunQueries(RunQueries):
    """Reads under the space's lock."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def records(self, task_ids: Sequence[str]) -> Mapping[str, TaskRecord]:
        with self._space.transaction():
            found = ((task_id, self._space.record(task_id)) for task_id in task_ids)
            return {task_id: record for task_id, record in found if record is not None}

    async def ended(self, task_ids: Sequence[str]) -> Sequence[str]:
        with self._space.transaction():
            return [task_id for task_id in task_ids if self._is_worth_a_look(task_id)]

    def _is_worth_a_look(self, task_id: str) -> bool:
        row = self._space.tasks.get(task_id)
        if row is None or row.is_cancelled:
            return True
        return any(self._space.runs[task_id, agent].state.is_end for agent in row.run_agents)

    async def find(self, wanted: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page:
        before = position_before(cursor)
        with self._space.transaction():
            rows = sorted(self._space.tasks.values(), key=lambda row: row.position, reverse=True)
            older = (row for row in rows if before is None or row.position < before)
            records = ((row.position, self._space.record(row.task.task_id)) for row in older)
            wanted_records = (
                (position, record)
                for position, record in records
                if record is not None and record.matches(status=wanted.status, topic=wanted.topic, agent=wanted.agent)
            )
            return Page.of(list(islice(wanted_records, limit + 1)), limit)

    async def counts(self) -> Mapping[tuple[Subscription, Status], int]:
        counts: dict[tuple[Subscription, Status], int] = {}
        with self._space.transaction():
            for run in self._space.runs.values():
                key = (run.subscription, Status(run.state))
                counts[key] = counts.get(key, 0) + 1
        return counts

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        with self._space.transaction():
            return dict(self._space.metrics)


class MemoryJournal(Journal):
    """The journal as a list."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def append(self, events: Sequence[JournalEvent]) -> None:
        with self._space.transaction():
            self._space.write_events(events)

    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        with self._space.transaction():
            journal = self._space.journal
            first = bisect.bisect_right(journal, after, key=lambda event: event.position)
            later = islice(journal, first, None)
            return list(islice((event for event in later if task_id in (None, event.task_id)), limit))

    async def latest(self) -> int:
        with self._space.transaction():
            return self._space.latest_event
