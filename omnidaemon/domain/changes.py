"""What a gate decided, as one value that a store writes in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.journal import EventKind, JournalEntry, JournalEvent, joined
from omnidaemon.domain.metrics import Metrics, timing_bucket
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import Notification, notifications_of
from omnidaemon.domain.outcome import ErrorKind
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import Value, field


class Changes(Value, kw_only=True):
    """Everything that one gate call writes; all of it or nothing.

    The runs replace the versions that were read; `stretches` has those together that are kin of one another, before
    and after: they move alike. A run that is nobody's kin stands alone. `tasks` are added to the log where absent, with
    no agents. `cancel_marks` sets or clears the mark on a task. `unscheduled` tasks leave the schedules, `scheduled`
    ones come to them, with their due time. `deleted` tasks leave the log with all their runs and what the outbox has
    settled of them; `forgotten` runs go alone, and their agents need not end the task any more. `tombstones` are runs,
    or with agent "" whole tasks, that a late delivery must not bring back. `notifications` are put into the outbox,
    each where its id is absent.
    """

    stretches: tuple[Sequence[Run], ...] = ()
    tasks: tuple[Task | Unreadable, ...] = ()
    metrics: Mapping[Subscription, Metrics] = field(default_factory=dict[Subscription, Metrics])
    entries: tuple[JournalEntry, ...] = ()
    cancel_marks: Mapping[str, bool] = field(default_factory=dict[str, bool])
    unscheduled: tuple[str, ...] = ()
    scheduled: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    deleted: tuple[str, ...] = ()
    forgotten: tuple[RunKey, ...] = ()
    tombstones: tuple[RunKey, ...] = ()
    notifications: tuple[Notification, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """All of them, in order."""
        return tuple(chain.from_iterable(self.stretches))

    @property
    def events(self) -> tuple[JournalEvent, ...]:
        """The events of all entries."""
        return tuple(event for entry in self.entries for event in entry.events)

    @property
    def is_news(self) -> bool:
        """Whether somebody may wait for just this: a run ended, came due or shall be cancelled."""
        return bool(self.cancel_marks) or any(map(_is_news, self._models))

    @property
    def is_work(self) -> bool:
        """Whether it gives workers something to do: a run is due, now or later, or shall be cancelled, a task came to
        the schedules, or an end has to be told. An end by itself does not."""
        is_told = bool(self.notifications or self.scheduled or self.cancel_marks)
        return is_told or any(map(_is_work, self._models))

    @property
    def _models(self) -> Sequence[Run]:
        """One of each stretch."""
        return [stretch[0] for stretch in self.stretches]

    @property
    def concerns_tasks(self) -> bool:
        """Whether it changes more of a task than its runs."""
        return bool(
            self.cancel_marks or self.unscheduled or self.scheduled or self.forgotten or self.deleted or self.tombstones
        )


def _is_news(run: Run) -> bool:
    return run.state is not RunState.RUNNING or run.is_cancel_requested


def _is_work(run: Run) -> bool:
    return run.due_at is not None or run.is_cancel_requested


def changes_of(
    moves: Iterable[tuple[Run | None, Run]],
    at: datetime,
    tasks: Iterable[Task | Unreadable] = (),
) -> Changes:
    """The runs of the given moves (before, after), with the metrics, journal events and notifications that follow from
    them."""
    stretches: list[Sequence[Run]] = []
    entries: list[JournalEntry] = []
    notifications: list[Notification] = []
    tallies: dict[Subscription, _Tally] = {}
    for alike in _stretches(moves):
        before, after = alike[0]
        ended = [run for _, run in alike]
        stretches.append(ended)
        tally = tallies.get(after.subscription)
        if tally is None:
            tally = tallies[after.subscription] = _Tally()
        has_new_error = bool(after.errors) and _has_new_error(before, after)
        tally.add(before, after, [run.seconds for run in ended], has_new_error=has_new_error)
        if after.return_address is not None and after.state.is_end and (before is None or not before.state.is_end):
            notifications += [each for run in ended for each in notifications_of(run, at)]
        kind = _event_kind(before, after)
        if kind is not None:
            topic, agent = after.subscription
            attempt, detail = _attempt_of(kind, before, after), _detail(after, at, has_new_error=has_new_error)
            task_ids = tuple([run.task_id for run in ended])
            entries.append(
                JournalEntry(
                    kind=kind, topic=topic, at=at, task_ids=task_ids, agent=agent, attempt=attempt, detail=detail
                )
            )
    return Changes(
        stretches=tuple(stretches),
        tasks=tuple(tasks),
        metrics={subscription: tally.metrics() for subscription, tally in tallies.items()},
        entries=joined(entries),
        notifications=tuple(notifications),
    )


def _stretches(moves: Iterable[tuple[Run | None, Run]]) -> Iterator[list[tuple[Run | None, Run]]]:
    """The moves in order, those from one model to another together: all but their tasks, times and results is the
    same."""
    return (list(alike) for _, alike in groupby(moves, key=_likeness))


def _likeness(move: tuple[Run | None, Run]) -> object:
    before, after = move
    return object() if after.kin is None else (after.kin, before and before.kin)  # else it is like no other


def _has_new_error(before: Run | None, after: Run) -> bool:
    return len(after.errors) > (len(before.errors) if before is not None and before.life == after.life else 0)


def _detail(after: Run, at: datetime, *, has_new_error: bool) -> str:
    """What went wrong, and when it is tried again."""
    words = [after.errors[-1].headline] if has_new_error else []
    if after.state is RunState.RETRYING and after.due_at is not None and after.due_at > at:
        words.append(f"again in {duration_text((after.due_at - at).total_seconds())}")
    return "; ".join(words)


def _event_kind(before: Run | None, after: Run) -> EventKind | None:
    """What a person would call this move; None for one that is nobody's news, such as a renewal."""
    if before is not None and after.life > before.life:
        return EventKind.REQUEUED
    if before is None or before.state is not after.state:
        if after.state.is_end:
            return _END_EVENTS[after.state]
        if after.state is RunState.RUNNING:
            return EventKind.STARTED
        if after.state is RunState.WAITING:
            return EventKind.WAITED
        if before is None:
            return EventKind.HELD
        if after.crashes > before.crashes:
            return EventKind.CRASHED
        if before.state is RunState.WAITING:
            return EventKind.ANSWERED
        return EventKind.RETRIED if after.state is RunState.RETRYING else EventKind.RELEASED
    if after.is_cancel_requested and not before.is_cancel_requested:
        return EventKind.CANCEL_REQUESTED
    return None


def _attempt_of(kind: EventKind, before: Run | None, after: Run) -> int:
    """The number of the attempt that an event is about: of what became of one, that one's and not the next one's."""
    if kind is EventKind.HELD or kind is EventKind.REQUEUED:
        return 0
    if before is not None and before.state is RunState.RUNNING:
        return before.attempt
    return after.attempts + after.crashes if after.state.is_end else after.attempt


class _Tally:
    """The metrics of one agent while they are being counted: mutable, so that a batch builds one value, not a
    hundred."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = defaultdict(int)
        self._timed = 0
        self._seconds = 0.0
        self._timings: dict[int, int] = {}

    def add(self, before: Run | None, after: Run, seconds: Sequence[float], *, has_new_error: bool) -> None:
        """Runs that moved like this one, each of which took so long."""
        counts = self._counts
        if before is None:
            counts["tasks_received"] += len(seconds)
        elif before.state is RunState.RUNNING and after.state is not RunState.RUNNING:
            self._add_attempts(before, after, seconds, has_new_error=has_new_error)
        if after.state.is_end and (before is None or not before.state.is_end):
            counts[_COUNTED_ENDS[after.state]] += len(seconds)

    def _add_attempts(self, before: Run, after: Run, seconds: Sequence[float], *, has_new_error: bool) -> None:
        if after.crashes > before.crashes:
            self._counts["tasks_crashed"] += len(seconds)
            return
        timed = [each for each in seconds if each > 0.0]
        for bucket in map(timing_bucket, timed):
            self._timings[bucket] = self._timings.get(bucket, 0) + 1
        self._timed += len(timed)
        self._seconds += sum(timed)
        if after.state is RunState.RETRYING:
            self._counts["tasks_retried"] += len(seconds)
        if has_new_error and after.errors[-1].kind is not ErrorKind.CRASH:
            self._counts["tasks_failed"] += len(seconds)

    def metrics(self) -> Metrics:
        return Metrics(
            **self._counts,
            attempts_timed=self._timed,
            seconds_sum=self._seconds,
            timings=tuple(sorted(self._timings.items())),
        )


_COUNTED_ENDS = {
    RunState.SUCCEEDED: "tasks_processed",
    RunState.DEAD: "tasks_dead_lettered",
    RunState.CANCELLED: "tasks_cancelled",
    RunState.SKIPPED: "tasks_skipped",
}
_END_EVENTS = {state: EventKind(state) for state in _COUNTED_ENDS}
