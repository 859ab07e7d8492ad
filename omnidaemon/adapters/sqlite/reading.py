"""What the ports read, each by one statement for a whole batch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import apsw
import attrs
import orjson

from omnidaemon.adapters.sqlite.moves import Place
from omnidaemon.adapters.sqlite.rows import RUN_COLUMNS, TASK_COLUMNS, Row, run_of, task_of
from omnidaemon.domain.agent import AgentRecord
from omnidaemon.domain.instant import moment, moment_or_none
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord, answerable
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.codec import Codec

# CROSS JOIN keeps the order: first the few that are asked for, then each by its index.
_RUNS_BY_KEY: Final = f"""
    SELECT {RUN_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN runs
    WHERE runs.task_id = wanted.value ->> 0 AND runs.agent = wanted.value ->> 1
"""
_RUNS_OF_TASKS: Final = f"""
    SELECT {RUN_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN runs ON runs.task_id = wanted.value
    ORDER BY runs.agent
"""
_TASKS: Final = f"""
    SELECT {TASK_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN tasks ON tasks.task_id = wanted.value
"""
_RECORDS: Final = f"""
    SELECT tasks.position, tasks.task_id, tasks.topic, tasks.created_at, tasks.agents, tasks.is_cancelled,
        schedules.free_at, {TASK_COLUMNS}
    FROM json_each(?) AS wanted CROSS JOIN tasks ON tasks.task_id = wanted.value
    LEFT JOIN schedules ON schedules.task_id = tasks.task_id
"""
_AGENTS: Final = "SELECT topic, agent, record FROM agents ORDER BY topic, agent"
_AGENTS_ON: Final = """
    SELECT topic, agent, record FROM json_each(?) AS wanted CROSS JOIN agents ON topic = wanted.value
    ORDER BY topic, agent
"""

COUNTS: Final = tuple(field.name for field in attrs.fields(Metrics) if field.name != "timings")
"""The columns of the table of metrics, besides its key."""


class Reading:
    """One transaction's view of the tables."""

    def __init__(self, cursor: apsw.Cursor, codec: Codec) -> None:
        self.cursor = cursor
        self.codec = codec
        self.places: dict[RunKey, Place] = {}
        """Where the runs that were read here are."""
        self.positions: dict[str, int] = {}
        """The positions of the tasks that were read here."""
        self.named: dict[str, tuple[str, ...] | None] = {}
        """The agents that were named for them; None for those where none ever was."""

    def rows(self, statement: str, bindings: apsw.Bindings = ()) -> list[Any]:
        """All rows of a statement."""
        return self.cursor.execute(statement, bindings).fetchall()

    def value(self, statement: str, bindings: Sequence[Any] = ()) -> Any:
        """The first column of the first row, None when there is no row."""
        row = self.cursor.execute(statement, bindings).fetchone()
        return None if row is None else row[0]

    # --- runs and tasks -----------------------------------------------------------------------------------------------

    def found(self, keys: Iterable[RunKey]) -> dict[RunKey, Run]:
        """Those of the runs that exist."""
        return {run.key: run for run in self.runs(_RUNS_BY_KEY, [as_array(keys)])}

    def runs(self, statement: str, bindings: apsw.Bindings) -> list[Run]:
        """The runs of rows of `RUN_COLUMNS`."""
        runs: list[Run] = []
        for row in self.rows(statement, bindings):
            run = run_of(row, self.codec)
            self.places[run.key] = row[:2]
            runs.append(run)
        return runs

    def tasks(self, task_ids: Iterable[str]) -> dict[str, Task | Unreadable]:
        """Those of the tasks that are logged."""
        return {row[0]: task_of(row, self.codec) for row in self.rows(_TASKS, [as_array(task_ids)])}

    def records(self, task_ids: Iterable[str]) -> dict[str, TaskRecord]:
        """All that is known of these tasks."""
        rows = self.rows(_RECORDS, [as_array(task_ids)])
        if not rows:
            return {}
        runs: defaultdict[str, list[Run]] = defaultdict(list)
        for run in self.runs(_RUNS_OF_TASKS, [as_array(row[1] for row in rows)]):
            runs[run.task_id].append(run)
        known = self.agents(row[2] for row in rows)
        return {row[1]: self._record(row, runs[row[1]], known) for row in rows}

    def _record(self, row: Row, runs: Sequence[Run], known: Mapping[Subscription, AgentRecord]) -> TaskRecord:
        position, task_id, topic, created_at, stored, is_cancelled, scheduled_for, *task = row
        self.positions[task_id] = position
        named = self.named[task_id] = names(stored)
        created = moment(created_at)
        return TaskRecord.of(
            task_of(task, self.codec),
            created_at=created,
            agents=answerable(named, topic, created, known),
            runs=tuple(runs),
            is_cancelled=bool(is_cancelled),
            scheduled_for=moment_or_none(scheduled_for),
        )

    # --- metrics and agents -------------------------------------------------------------------------------------------

    def agents(self, topics: Iterable[str] | None = None) -> dict[Subscription, AgentRecord]:
        """All agents; those of some topics, where they are named: there may be many thousands."""
        rows = self.rows(_AGENTS) if topics is None else self.rows(_AGENTS_ON, [as_array(set(topics))])
        return {Subscription(topic, agent): self.codec.load(record, AgentRecord) for topic, agent, record in rows}

    def metrics(self) -> dict[Subscription, Metrics]:
        """What each agent has done."""
        timings: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for topic, agent, *timing in self.rows("SELECT * FROM timings ORDER BY topic, agent, bucket"):
            timings[topic, agent].append((timing[0], timing[1]))
        rows = self.rows(f"SELECT topic, agent, {', '.join(COUNTS)} FROM metrics")
        return {
            Subscription(topic, agent): Metrics(
                **dict(zip(COUNTS, counts, strict=True)), timings=tuple(timings[topic, agent])
            )
            for topic, agent, *counts in rows
        }


def as_array(values: Iterable[object]) -> str:
    """Values as a JSON array, for `json_each` (which takes bytes for another format).

    Raises `UnicodeEncodeError`, as for any text that is bound, where one holds half of a surrogate pair.
    """
    values = tuple(values)
    try:
        return orjson.dumps(values).decode()
    except TypeError:
        json.dumps(values, ensure_ascii=False).encode()
        raise


@lru_cache(maxsize=1024)
def names(stored: str | None) -> tuple[str, ...] | None:
    """The names of a stored JSON array."""
    return None if stored is None else tuple(orjson.loads(stored))
