"""A transaction that writes: numbers are given out, requests admitted, and what a gate decided is written whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.many_rows import for_many, write_many
from omnidaemon.adapters.sqlite.moves import Place, add, alike, move
from omnidaemon.adapters.sqlite.outbox_rows import ADD_NOTIFICATION, row_of
from omnidaemon.adapters.sqlite.reading import COUNTS, Reading, as_array, names
from omnidaemon.adapters.sqlite.rows import EVENT_LIKENESS, SHARED_OF_EVENT, Row, flaw_of, shared_of_event
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.instant import Instant, micros
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.record import TOMBSTONE_LIFE, answerable
from omnidaemon.domain.requests import Request
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.codec import Codec

_ADVANCE: Final = """
    INSERT INTO counters (name, latest) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET latest = latest + excluded.latest RETURNING latest
"""
_USE_LANE: Final = """
    INSERT INTO lanes (incarnation, lane, counter, used_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET counter = excluded.counter, used_at = excluded.used_at
"""
_MARKS: Final = """
    SELECT wanted.value, tasks.position, tasks.is_cancelled, tasks.agents, tombstones.agent
    FROM json_each(?) AS wanted
    LEFT JOIN tasks ON tasks.task_id = wanted.value
    LEFT JOIN tombstones ON tombstones.task_id = wanted.value
"""
_ADD_TASK: Final = """
    INSERT INTO tasks (position, task_id, topic, created_at, is_logged, agents, unreadable, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_EXPECT: Final = "INSERT OR IGNORE INTO unbegun (topic, agent, position) VALUES (?, ?, ?)"
_EXPECT_UNLESS_BEGUN: Final = """
    INSERT OR IGNORE INTO unbegun (topic, agent, position) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
        SELECT 1 FROM tasks JOIN runs USING (task_id) WHERE tasks.position = ?3 AND runs.agent = ?2
    )
"""
_EXPECT_ANYBODY: Final = """
    INSERT OR IGNORE INTO unbegun (topic, agent, position)
    SELECT topic, '', position FROM tasks WHERE task_id = ? AND NOT is_cancelled
"""
_EXPECT_NOBODY_MORE: Final = """
    DELETE FROM unbegun WHERE (topic, agent, position) = (
        SELECT topic, '', position FROM tasks WHERE task_id = ? AND is_cancelled
    )
"""
_BEGUN: Final = "DELETE FROM unbegun WHERE topic = ? AND agent = ? AND position = ?"
_BEGUN_BY: Final = """
    DELETE FROM unbegun WHERE topic = ? AND agent = ?
    AND position IN (SELECT position FROM runs WHERE run_id BETWEEN ? AND ?)
"""
_MARK: Final = "UPDATE tasks SET is_cancelled = ? WHERE task_id = ?"
_DROP_RUN: Final = "DELETE FROM runs WHERE task_id = ? AND agent = ?"
_DROP_RUNS: Final = "DELETE FROM runs WHERE task_id = ?"
_DROP_KEY: Final = "DELETE FROM idempotency_keys WHERE task_id = ?"
_DROP_TASK: Final = "DELETE FROM tasks WHERE task_id = ?"
_DROP_SETTLED: Final = "DELETE FROM outbox WHERE task_id = ? AND settled_at IS NOT NULL"
_SCHEDULE: Final = "INSERT OR IGNORE INTO schedules (task_id, free_at, position) VALUES (?, ?, ?)"
_UNSCHEDULE: Final = "DELETE FROM schedules WHERE task_id = ?"
_NAME_AGENTS: Final = "UPDATE tasks SET is_logged = 1, agents = ? WHERE position = ?"
_EXPECT_NO_MORE: Final = """
    DELETE FROM unbegun WHERE (topic, agent, position) = (SELECT topic, ?2, position FROM tasks WHERE task_id = ?1)
"""
_UNNAME_AGENT: Final = """
    UPDATE tasks SET agents = (SELECT json_group_array(value) FROM json_each(agents) WHERE value <> ?2)
    WHERE task_id = ?1 AND agents IS NOT NULL
"""
_PLACES: Final = "SELECT topic, position, agents FROM json_each(?) AS wanted CROSS JOIN tasks ON task_id = wanted.value"
_ADD_METRICS: Final = f"""
    INSERT INTO metrics (topic, agent, {", ".join(COUNTS)}) VALUES (?, ?{", ?" * len(COUNTS)})
    ON CONFLICT DO UPDATE SET {", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)}
"""
_ADD_TIMINGS: Final = """
    INSERT INTO timings (topic, agent, bucket, attempts) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts
"""
_ADD_EVENTS: Final = for_many(
    lambda given: (
        f"""
        {given} INSERT INTO journal (position, task_id, {", ".join(SHARED_OF_EVENT)})
        SELECT position, task_id{", ?" * len(SHARED_OF_EVENT)} FROM given
    """
    ),
    ("position", "task_id"),
)


class Ledger(Reading):
    """The writer's transaction, at one instant of the store's clock."""

    def __init__(self, cursor: apsw.Cursor, codec: Codec, gates: Gates, now: Instant) -> None:
        super().__init__(cursor, codec)
        self.gates = gates
        self.now = now

    def admit(self, request: Request) -> bool:
        """Refuse an overtaken request, remember this one as its lane's latest, and say whether it was asked before."""
        lane = (request.incarnation, request.lane)
        latest = self.value("SELECT counter FROM lanes WHERE incarnation = ? AND lane = ?", lane)
        is_repeated = self.gates.admit(request, latest)
        self.cursor.execute(_USE_LANE, (*lane, request.counter, micros(self.now.at)))
        return is_repeated

    def marks(self, task_ids: Iterable[str]) -> Marks:
        """What forbids deliveries of these tasks."""
        cancelled: set[str] = set()
        tombstones: set[RunKey] = set()
        for task_id, position, is_cancelled, named, buried in self.rows(_MARKS, [as_array(task_ids)]):
            if position is not None:
                self.positions[task_id] = position
                self.named[task_id] = names(named)
            if is_cancelled:
                cancelled.add(task_id)
            if buried is not None:
                tombstones.add((task_id, buried))
        return Marks(cancelled=cancelled, tombstones=tombstones)

    def names_agents_of(self, task_ids: Collection[str]) -> bool:
        """Whether all of these, whose marks were read, are logged with their agents."""
        return all(self.named.get(task_id) is not None for task_id in task_ids)

    def believe(self, kept: Mapping[RunKey, tuple[Run, Place]]) -> dict[RunKey, Run]:
        """These runs, as if they had been read: where one is no longer so, `apply` raises `Refuted`."""
        self.places.update((key, place) for key, (_, place) in kept.items())
        return {key: run for key, (run, _) in kept.items()}

    # --- writing ------------------------------------------------------------------------------------------------------

    def apply(self, changes: Changes) -> None:
        """Write what a gate decided."""
        self.add_tasks([(task, None) for task in changes.tasks if task.task_id not in self.positions], {})
        self._write_runs(changes.runs, if_fresh=False)
        self._apply_rest(changes)

    def apply_if_fresh(self, changes: Changes) -> None:
        """Write what begin() decided in the belief that each task is logged with its agents, and that it has no run and
        nothing that forbids one; raises `Refuted` where that is not so."""
        self._write_runs(changes.runs, if_fresh=True)
        self._apply_rest(changes)

    def _apply_rest(self, changes: Changes) -> None:
        self._add_metrics(changes.metrics)
        many = self.cursor.executemany
        many(_MARK, [(m, t) for t, m in changes.cancel_marks.items()])
        many(_EXPECT_NOBODY_MORE, [(task_id,) for task_id in changes.cancel_marks])
        many(_UNSCHEDULE, [(task_id,) for task_id in changes.unscheduled])
        self.schedule(changes.scheduled)
        self.expect_anybody(changes.scheduled)
        self._forget(changes.forgotten)
        self._delete(changes.deleted)
        until = micros(self.now.at + TOMBSTONE_LIFE)
        many("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)", [(*key, until) for key in changes.tombstones])
        self.write_events(changes.events)
        self._tell(changes.notifications)

    def write_events(self, events: Sequence[JournalEvent]) -> None:
        """Append to the journal."""
        if events:
            numbered = enumerate(events, self._numbers("journal", len(events)))
            for _, group in groupby(numbered, lambda each: EVENT_LIKENESS(each[1])):
                alike = list(group)
                rows = [(position, event.task_id) for position, event in alike]
                write_many(self.cursor, _ADD_EVENTS, rows, shared_of_event(alike[0][1]))

    def _tell(self, notifications: Sequence[Notification]) -> None:
        if notifications:
            first = self._numbers("outbox", len(notifications))
            rows = [row_of(each, position, self.codec) for position, each in enumerate(notifications, first)]
            self.cursor.executemany(ADD_NOTIFICATION, rows)

    def add_tasks(
        self, tasks: Sequence[tuple[Task | Unreadable, Sequence[str] | None]], bodies: Mapping[str, bytes]
    ) -> None:
        """Log tasks that are not, each with the agents that are named for it (None: its publisher has not come yet).
        `bodies` are those that were encoded beforehand, since everybody waits for a transaction."""
        if not tasks:
            return
        rows: list[Row] = []
        for position, (task, named) in enumerate(tasks, self._numbers("tasks", len(tasks))):
            self.positions[task.task_id] = position
            rows.append(
                (
                    position,
                    task.task_id,
                    task.topic,
                    micros(task.created_at if isinstance(task, Task) else self.now.at),
                    named is not None,
                    as_array(named) if named else None,
                    flaw_of(task, self.codec),
                    bodies.get(task.task_id) or self.codec.encode_task(task),
                )
            )
        self.cursor.executemany(_ADD_TASK, rows)

    def schedule(self, due: Mapping[str, datetime]) -> None:
        """Have these tasks, which are logged, published at their time; one that is scheduled keeps its own."""
        self.cursor.executemany(_SCHEDULE, [(t, micros(due_at), self.positions[t]) for t, due_at in due.items()])

    def expect(self, expected: Iterable[tuple[str, str, int]]) -> None:
        """Note for the listings that these agents have still to begin the tasks: topic, agent, position."""
        self.cursor.executemany(_EXPECT, expected)

    def expect_anybody(self, task_ids: Iterable[str]) -> None:
        """Note for the listings that nobody in particular has to begin these tasks."""
        self.cursor.executemany(_EXPECT_ANYBODY, [(task_id,) for task_id in task_ids])

    def name_agents(self, tasks: Sequence[tuple[str, int]], named: Mapping[str, Sequence[str]]) -> None:
        """Name the topic's agents for tasks (topic, position) that begin() has logged before their publisher did."""
        self.cursor.executemany(
            _NAME_AGENTS,
            [(as_array(named[topic]) if named[topic] else None, position) for topic, position in tasks],
        )
        self.cursor.executemany(
            _EXPECT_UNLESS_BEGUN, [(topic, agent, position) for topic, position in tasks for agent in named[topic]]
        )

    def _numbers(self, name: str, count: int) -> int:
        """The first of so many numbers that nobody was given before."""
        latest: int = self.value(_ADVANCE, (name, count))
        return latest - count + 1

    def _write_runs(self, runs: Sequence[Run], *, if_fresh: bool) -> None:
        for group in alike(run for run in runs if run.key in self.places):
            self._move_runs(group)
        added = [run for run in runs if run.key not in self.places]
        for group in alike(added):
            self._add_runs(group, if_fresh=if_fresh)
        if not if_fresh:
            self._expect_others([run for run in added if self.named.get(run.task_id) is None])

    def _move_runs(self, runs: Sequence[Run]) -> None:
        places = [self.places[run.key] for run in runs]
        move(self.cursor, runs, places, self.codec)
        for run, (run_id, revision) in zip(runs, places, strict=True):
            self.places[run.key] = (run_id, revision + 1)

    def _add_runs(self, runs: Sequence[Run], *, if_fresh: bool) -> None:
        first = self._numbers("runs", len(runs))
        add(self.cursor, runs, first, self.codec, if_fresh=if_fresh)
        subscription = runs[0].subscription
        last = first + len(runs) - 1
        self.cursor.execute(_BEGUN_BY, (subscription.topic, subscription.agent, first, last))
        for run_id, run in enumerate(runs, first):
            self.places[run.key] = (run_id, 0)

    def _expect_others(self, unnamed: Sequence[Run]) -> None:
        """Of a task for which no agents are named, the topic's first ones have to begin it, not only this one."""
        if not unnamed:
            return
        places = [(run.subscription.topic, self.positions[run.task_id]) for run in unnamed]
        self.cursor.executemany(_BEGUN, [(topic, "", place) for topic, place in places])
        topics = {run.subscription.topic for run in unnamed}
        known = self.agents(topics)
        first = {topic: answerable(None, topic, self.now.at, known) for topic in topics}
        self.cursor.executemany(
            _EXPECT_UNLESS_BEGUN, [(topic, agent, place) for topic, place in places for agent in first[topic]]
        )

    def _add_metrics(self, metrics: Mapping[Subscription, Metrics]) -> None:
        totals = [(s.topic, s.agent, *(getattr(each, name) for name in COUNTS)) for s, each in metrics.items()]
        self.cursor.executemany(_ADD_METRICS, totals)
        timings = [(s.topic, s.agent, *timing) for s, each in metrics.items() for timing in each.timings]
        self.cursor.executemany(_ADD_TIMINGS, timings)

    def _forget(self, keys: Sequence[RunKey]) -> None:
        many = self.cursor.executemany
        many(_DROP_RUN, keys)
        many(_EXPECT_NO_MORE, keys)
        many(_UNNAME_AGENT, keys)

    def _delete(self, task_ids: Sequence[str]) -> None:
        if not task_ids:
            return
        many, keys = self.cursor.executemany, [(task_id,) for task_id in task_ids]
        many(_DROP_RUNS, keys)
        many(_DROP_KEY, keys)
        self._expect_nobody(task_ids)
        many(_DROP_TASK, keys)
        many(_DROP_SETTLED, keys)

    def _expect_nobody(self, task_ids: Sequence[str]) -> None:
        places = self.rows(_PLACES, [as_array(task_ids)])
        subscribed = self.agents(topic for topic, *_ in places)
        gone: list[Row] = []
        for topic, position, named in places:
            agents = {"", *(names(named) or ()), *(s.agent for s in subscribed if s.topic == topic)}
            gone += [(topic, agent, position) for agent in agents]
        self.cursor.executemany(_BEGUN, gone)
