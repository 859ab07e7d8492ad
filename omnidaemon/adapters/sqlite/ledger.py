"""A transaction that writes: numbers are given out, requests admitted, and what a gate decided is written whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import apsw

from omnidaemon.adapters.sqlite import unbegun
from omnidaemon.adapters.sqlite.entries import enter, outlive_runs, outlive_tasks, place, spill
from omnidaemon.adapters.sqlite.many_rows import for_many, write_many
from omnidaemon.adapters.sqlite.moves import Place, add, alike, move
from omnidaemon.adapters.sqlite.outbox_rows import ADD_NOTIFICATION, row_of
from omnidaemon.adapters.sqlite.reading import COUNTS, Reading, as_array, names
from omnidaemon.adapters.sqlite.rows import Row, flaw_of
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.instant import Instant, micros
from omnidaemon.domain.journal import JournalEntry
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
_TASK: Final = ("position", "task_id", "topic", "created_at", "is_logged", "agents", "unreadable", "body", "entry")
_ADD_TASKS: Final = for_many(
    lambda given: f"{given} INSERT INTO tasks ({', '.join(_TASK)}) SELECT * FROM given",
    _TASK,
)
_MARK: Final = "UPDATE tasks SET is_cancelled = ? WHERE task_id = ?"
_DROP_RUN: Final = "DELETE FROM runs WHERE task_id = ? AND agent = ?"
_DROP_RUNS: Final = "DELETE FROM runs WHERE task_id = ?"
_DROP_KEY: Final = "DELETE FROM idempotency_keys WHERE task_id = ?"
_DROP_TASK: Final = "DELETE FROM tasks WHERE task_id = ?"
_DROP_SETTLED: Final = "DELETE FROM outbox WHERE task_id = ? AND settled_at IS NOT NULL"
_SCHEDULE: Final = "INSERT OR IGNORE INTO schedules (task_id, free_at, position) VALUES (?, ?, ?)"
_UNSCHEDULE: Final = "DELETE FROM schedules WHERE task_id = ?"
_NAME_AGENTS: Final = "UPDATE tasks SET is_logged = 1, agents = ?, entry = ? WHERE position = ?"
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
        self.add_tasks([(task, None) for task in changes.tasks if task.task_id not in self.positions], {}, {})
        self._write_runs(changes, if_fresh=False)
        self._apply_rest(changes)

    def apply_if_fresh(self, changes: Changes) -> None:
        """Write what begin() decided in the belief that each task is logged with its agents, and that it has no run and
        nothing that forbids one; raises `Refuted` where that is not so."""
        self._write_runs(changes, if_fresh=True)
        self._apply_rest(changes)

    def _apply_rest(self, changes: Changes) -> None:
        self._add_metrics(changes.metrics)
        many = self.cursor.executemany
        many(_MARK, [(m, t) for t, m in changes.cancel_marks.items()])
        unbegun.expect_nobody_more(self.cursor, changes.cancel_marks)
        many(_UNSCHEDULE, [(task_id,) for task_id in changes.unscheduled])
        self.schedule(changes.scheduled)
        unbegun.expect_anybody(self.cursor, changes.scheduled)
        self._forget(changes.forgotten)
        self._delete(changes.deleted)
        until = micros(self.now.at + TOMBSTONE_LIFE)
        many("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?)", [(*key, until) for key in changes.tombstones])
        self._tell(changes.notifications)

    def write_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Append to the journal what goes with no run and no task that are written here."""
        task_ids = [task_id for entry in entries for task_id in entry.task_ids]
        place(self.cursor, zip(task_ids, self.enter(entries), strict=True))

    def enter(self, entries: Sequence[JournalEntry]) -> list[int]:
        """Append to the journal; of each event, where its entry stands, for the caller to keep."""
        count = sum(len(entry.task_ids) for entry in entries)
        return enter(self.cursor, entries, self._numbers("journal", count)) if count else []

    def leave_gap(self, count: int) -> None:
        """Have the journal go on so many positions further."""
        self._numbers("journal", count)

    def _tell(self, notifications: Sequence[Notification]) -> None:
        if notifications:
            first = self._numbers("outbox", len(notifications))
            rows = [row_of(each, position, self.codec) for position, each in enumerate(notifications, first)]
            self.cursor.executemany(ADD_NOTIFICATION, rows)

    def add_tasks(
        self,
        tasks: Sequence[tuple[Task | Unreadable, Sequence[str] | None]],
        bodies: Mapping[str, bytes],
        entries: Mapping[str, int],
    ) -> None:
        """Log tasks that are not, each with the agents that are named for it (None: its publisher has not come yet).
        `bodies` are those that were encoded beforehand, since everybody waits for a transaction; `entries` say where
        the journal's of their publication stand."""
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
                    entries.get(task.task_id),
                )
            )
        write_many(self.cursor, _ADD_TASKS, rows)

    def schedule(self, due: Mapping[str, datetime]) -> None:
        """Have these tasks, which are logged, published at their time; one that is scheduled keeps its own."""
        self.cursor.executemany(_SCHEDULE, [(t, micros(due_at), self.positions[t]) for t, due_at in due.items()])

    def name_agents(self, tasks: Sequence[tuple[str, int, int]], named: Mapping[str, Sequence[str]]) -> None:
        """Name the topic's agents for tasks (topic, position, journal entry) that begin() has logged before their
        publisher did."""
        self.cursor.executemany(
            _NAME_AGENTS,
            [(as_array(named[topic]) if named[topic] else None, entry, position) for topic, position, entry in tasks],
        )
        unbegun.expect_unless_begun(
            self.cursor, [(topic, agent, position) for topic, position, _ in tasks for agent in named[topic]]
        )

    def _numbers(self, name: str, count: int) -> int:
        """The first of so many numbers that nobody was given before."""
        latest: int = self.value(_ADVANCE, (name, count))
        return latest - count + 1

    def _write_runs(self, changes: Changes, *, if_fresh: bool) -> None:
        """The runs, and the events, of which nearly all are theirs."""
        standing = self._write_events(changes)
        moved: list[Run] = []
        added: list[Run] = []
        for run in changes.runs:
            (moved if run.key in self.places else added).append(run)
        for group in alike(moved):
            self._move_runs(group, standing)
        for group in alike(added):
            self._add_runs(group, standing, if_fresh=if_fresh)
        if not if_fresh:
            self._expect_others([run for run in added if self.named.get(run.task_id) is None])

    def _write_events(self, changes: Changes) -> Mapping[RunKey, str]:
        """Where the new entries of each run stand, as text. Those of all else are kept apart."""
        positions = iter(self.enter(changes.entries))
        found: dict[tuple[str, str | None], int] = {}
        others: list[tuple[str, int]] = []
        for entry in changes.entries:
            agent = entry.agent
            for task_id, position in zip(entry.task_ids, positions, strict=False):
                if found.setdefault((task_id, agent), position) != position:
                    others.append((task_id, position))
        standing: dict[RunKey, str] = {}
        for run in changes.runs:
            key = run.key
            standing[key] = f",{found.pop(key)}" if key in found else ""
        place(self.cursor, (*others, *((task_id, position) for (task_id, _), position in found.items())))
        return standing

    def _move_runs(self, runs: Sequence[Run], standing: Mapping[RunKey, str]) -> None:
        keys = [run.key for run in runs]
        places = [self.places[key] for key in keys]
        move(self.cursor, runs, [standing[key] for key in keys], places, self.codec)
        spill(self.cursor, places)
        self.places.update((key, (run_id, revision + 1)) for key, (run_id, revision) in zip(keys, places, strict=True))

    def _add_runs(self, runs: Sequence[Run], standing: Mapping[RunKey, str], *, if_fresh: bool) -> None:
        first, keys = self._numbers("runs", len(runs)), [run.key for run in runs]
        add(self.cursor, runs, [standing[key] for key in keys], first, self.codec, if_fresh=if_fresh)
        unbegun.begun(self.cursor, runs[0].subscription, first, first + len(runs) - 1)
        self.places.update((key, (run_id, 0)) for run_id, key in enumerate(keys, first))

    def _expect_others(self, unnamed: Sequence[Run]) -> None:
        """Of a task for which no agents are named, the topic's first ones have to begin it, not only this one."""
        if not unnamed:
            return
        places = [(run.subscription.topic, self.positions[run.task_id]) for run in unnamed]
        unbegun.drop(self.cursor, [(topic, "", place) for topic, place in places])
        topics = {run.subscription.topic for run in unnamed}
        known = self.agents(topics)
        first = {topic: answerable(None, topic, self.now.at, known) for topic in topics}
        unbegun.expect_unless_begun(
            self.cursor, [(topic, agent, place) for topic, place in places for agent in first[topic]]
        )

    def _add_metrics(self, metrics: Mapping[Subscription, Metrics]) -> None:
        totals = [(s.topic, s.agent, *(getattr(each, name) for name in COUNTS)) for s, each in metrics.items()]
        self.cursor.executemany(_ADD_METRICS, totals)
        timings = [(s.topic, s.agent, *timing) for s, each in metrics.items() for timing in each.timings]
        self.cursor.executemany(_ADD_TIMINGS, timings)

    def _forget(self, keys: Sequence[RunKey]) -> None:
        many = self.cursor.executemany
        outlive_runs(self.cursor, keys)
        many(_DROP_RUN, keys)
        unbegun.expect_no_more(self.cursor, keys)
        many(_UNNAME_AGENT, keys)

    def _delete(self, task_ids: Sequence[str]) -> None:
        if not task_ids:
            return
        many, keys = self.cursor.executemany, [(task_id,) for task_id in task_ids]
        outlive_tasks(self.cursor, task_ids)
        many(_DROP_RUNS, keys)
        many(_DROP_KEY, keys)
        self._expect_nobody(task_ids)
        many(_DROP_TASK, keys)
        many(_DROP_SETTLED, keys)

    def _expect_nobody(self, task_ids: Sequence[str]) -> None:
        places = self.rows(_PLACES, [as_array(task_ids)])
        subscribed = self.agents(topic for topic, *_ in places)
        gone: list[unbegun.Line] = []
        for topic, position, named in places:
            agents = {"", *(names(named) or ()), *(s.agent for s in subscribed if s.topic == topic)}
            gone += [(topic, agent, position) for agent in agents]
        unbegun.drop(self.cursor, gone)
