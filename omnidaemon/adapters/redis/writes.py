"""What a gate decided, in the words that the script `apply` takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final

import attrs
import orjson

from omnidaemon.adapters.redis import journal_forms, outbox_forms
from omnidaemon.adapters.redis.acks import Acks
from omnidaemon.adapters.redis.forms import ABSENT, SHARED, Kept, flaw_of, head_of, lease_score, shared_of
from omnidaemon.adapters.redis.guarding import KeptGuard
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.instant import Instant, micros
from omnidaemon.domain.journal import JournalEntry
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TOMBSTONE_LIFE
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.codec import Codec

COUNTS: Final = tuple(field.name for field in attrs.fields(Metrics) if field.name != "timings")
_counts_of: Final = attrgetter(*COUNTS)
_task_id_of: Final = attrgetter("task_id")
_first_of: Final = itemgetter(0)


class Writes:
    """Everything that one call writes. `kept` are the runs that it rests on, as they are before it, `logged` the tasks
    that are in the log by then; `moved` are the runs as they will be."""

    def __init__(
        self, codec: Codec, now: Instant, kept: Mapping[RunKey, Kept], logged: Collection[str] = frozenset()
    ) -> None:
        self.words: list[Any] = []
        self.keys: tuple[str, ...] = ()
        self.moved: dict[RunKey, Kept] = {}
        self.touched: KeptGuard | None = None
        self.rests_on_agents = False
        self._codec = codec
        self._now = now
        self._kept = kept
        self._logged = logged
        self._expected = list(map(_first_of, kept))

    def add(self, changes: Changes, known: Mapping[str, Task | Unreadable] | None = None) -> None:
        """What a gate decided. `known` are the tasks that it deletes."""
        if changes.tasks:
            self._add_tasks(changes.tasks)
        self.add_entries(changes.entries)  # before the runs, with which their positions are kept
        self._add_runs(changes.stretches)
        self._add_metrics(changes.metrics)
        if changes.concerns_tasks:
            self._add_task_changes(changes, known or {})
        if changes.notifications:
            self._section("notifications", [outbox_forms.words_of(each, self._codec) for each in changes.notifications])
        if changes.is_news:
            self.words.append("news")
        if changes.is_work:
            self.ring()

    def add_entries(self, entries: Iterable[JournalEntry]) -> None:
        """Lines of the journal."""
        rows = [(*journal_forms.words_of(entry), *self._told(entry.task_ids)) for entry in entries]
        self._section("events", rows)

    def forget(self, acks: Acks) -> None:
        """The bus beside need not bring these again. To be said last: what fails here must not keep back the rest."""
        self.keys = (acks.root,)
        self._section("acks", acks.rows)

    def renew(self, runs: Sequence[Run]) -> None:
        """Nothing but their leases."""
        members = ((run, f"{run.subscription.agent}/{run.task_id}") for run in runs)
        self._section("leases", [(_length_of(run), each, lease_score(run.lease_until)) for run, each in members])

    def guard(self, guard: KeptGuard) -> None:
        """The guard as it is now."""
        self.touched = guard
        self.words += ["guard", guard.terms]

    def agents(self, records: Mapping[Subscription, bytes]) -> None:
        """The records of agents; an empty one is removed."""
        self._section("agents", [(str(s), record) for s, record in records.items()])

    def ring(self) -> None:
        """Tell every worker."""
        self.words.append("bell")

    # --- sections -----------------------------------------------------------------------------------------------------

    def _told(self, task_ids: Sequence[str]) -> Sequence[Any]:
        """As the script takes tasks: where they are those of all runs that the call rests on, they need no names."""
        return ("=",) if list(task_ids) == self._expected else (len(task_ids), *task_ids)

    def _section(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self.words += [name, len(rows)]
            for row in rows:
                self.words += row

    def _add_task_changes(self, changes: Changes, known: Mapping[str, Task | Unreadable]) -> None:
        now, until = micros(self._now.at), micros(self._now.at + TOMBSTONE_LIFE)
        self._section("marks", [(task_id, int(mark), now) for task_id, mark in changes.cancel_marks.items()])
        self._section("unscheduled", [(task_id,) for task_id in changes.unscheduled])
        self._section("scheduled", [(task_id, micros(due_at)) for task_id, due_at in changes.scheduled.items()])
        self._section("forgotten", [(*key, known[key[0]].topic) for key in changes.forgotten])
        self._section("deleted", [_deletion(known[task_id]) for task_id in changes.deleted])
        self._section("tombstones", [(f"{agent}/{task_id}", until) for task_id, agent in changes.tombstones])

    def _add_tasks(self, tasks: Sequence[Task | Unreadable]) -> None:
        codec = self._codec
        self._section(
            "tasks",
            [
                (
                    task.task_id,
                    task.topic,
                    micros(task.created_at if isinstance(task, Task) else self._now.at),
                    flaw_of(task, codec),
                    codec.encode_task(task),
                )
                for task in tasks
                if task.task_id not in self._logged
            ],
        )

    def _add_runs(self, stretches: Iterable[Sequence[Run]]) -> None:
        """In groups that move alike, which nearly all of a batch do: what they share is made and sent once."""
        groups: dict[tuple[object, ...], _Alike] = {}
        for stretch in stretches:
            keys = [run.key for run in stretch]
            befores = [self.moved.get(key) or self._kept.get(key, ABSENT) for key in keys]
            parts: list[tuple[Sequence[RunKey], Sequence[Run], Kept]] = [(keys, stretch, befores[0])]
            # Kin may still be kept under other heads, or have a result where others have none.
            if len({(before.head, run.result is None) for before, run in zip(befores, stretch, strict=True)}) > 1:
                parts = [((key,), (run,), before) for key, run, before in zip(keys, stretch, befores, strict=True)]
            for names, runs, before in parts:
                group = self._group_of(runs[0], before, groups)
                group.runs += runs
                self.moved.update(zip(names, [Kept(run, group.head, group.revision) for run in runs], strict=True))
        if groups:
            self.words += ["runs", len(groups)]
            for alike in groups.values():
                self.words += (*alike.terms, *self._told(list(map(_task_id_of, alike.runs))), *alike.own)

    def _group_of(self, run: Run, before: Kept, groups: dict[tuple[object, ...], _Alike]) -> _Alike:
        has_result = run.result is not None
        likeness = (before.head, has_result, _likeness(before.run, run))
        group = groups.get(likeness)
        if group is None:
            shared = shared_of(run, self._codec, has_result=has_result)
            group = groups[likeness] = _Alike(before, run, shared)
        return group

    def _add_metrics(self, metrics: Mapping[Subscription, Metrics]) -> None:
        rows: list[Sequence[Any]] = []
        for subscription, each in metrics.items():
            counts: list[Any] = []
            for name, amount in zip(COUNTS, _counts_of(each), strict=True):
                if amount:
                    counts += (name, repr(amount))
            for timing in each.timings:
                counts += timing
            if counts:
                rows.append((str(subscription), len(counts) // 2, *counts))
        self._section("metrics", rows)


class _Alike:
    """Runs that move from the same to the same: `terms` are what the script takes of all of them."""

    def __init__(self, before: Kept, run: Run, shared: bytes) -> None:
        self.revision = before.revision + 1
        self.head = head_of(run, self.revision)
        self.runs: list[Run] = []
        was = before.run
        self.terms = (
            run.subscription.agent,
            str(run.subscription),
            self.head,
            shared,
            was.state if was else "",
            run.state,
            _queue_of(was) if was else "",
            _queue_of(run),
            "" if run.due_at is None else micros(run.due_at),
            _length_of(was) if was else "",
            _length_of(run),
            lease_score(run.lease_until),
            "" if run.finished_at is None else micros(run.finished_at),
            int(run.result is not None),
        )

    @property
    def own(self) -> Iterable[Any]:
        """As the script takes it: what the record of each run has of its own, and the result where there is one."""
        runs = self.runs
        # Written as JSON at once, since that takes a fifth of what it does to make a text of each number.
        own = orjson.dumps([(micros(run.queued_at), run.seconds) for run in runs])[2:-2].split(b"],[")
        if runs[0].result is None:
            return own
        return chain.from_iterable(zip(own, [run.result for run in runs], strict=True))


def _likeness(was: Run | None, run: Run) -> object:
    """What runs have in common that move alike, besides the head of what they were."""
    if run.kin is not None:
        return run.kin, was and was.kin
    return SHARED(run) if was is None else (*SHARED(run), was.due_at is None, was.crashes > 0, was.lease_seconds)


def _queue_of(run: Run) -> str:
    """The index in which the run waits. Those that crashed have one of their own: the ones at their last chance stay
    there until a worker is idle, and must not hide the others."""
    if run.due_at is None:
        return ""
    return "crashed" if run.crashes else "due"


def _length_of(run: Run) -> str:
    """The index in which the run's lease is kept, while it has one."""
    return repr(float(run.lease_seconds)) if run.state is RunState.RUNNING else ""


def _deletion(task: Task | Unreadable) -> Sequence[Any]:
    key = None if isinstance(task, Unreadable) else task.idempotency_key
    return (task.task_id, task.topic, "" if key is None else f"{task.topic}/{key}")
