"""The tables of the memory storage, and how a change is written to them."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import attrs

from omnidaemon.adapters.memory.bell import Bell
from omnidaemon.adapters.memory.bus import MemoryBusSpace
from omnidaemon.domain.agent import AgentRecord, WorkerReport
from omnidaemon.domain.changes import Changes
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.outbox import OutboxEntry
from omnidaemon.domain.record import TOMBSTONE_LIFE, TaskRecord, answerable
from omnidaemon.domain.requests import Request
from omnidaemon.domain.run import Run, RunKey
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace
from omnidaemon.ports.clock import Clock


@attrs.define
class LoggedTask:
    """A row of the task log. `is_logged` once its publisher has come; `agents` are those subscribed then, less those
    whose run was deleted; None as long as there never was one."""

    task: Task | Unreadable
    position: int
    created_at: datetime
    agents: tuple[str, ...] | None = None
    is_logged: bool = False
    is_cancelled: bool = False
    run_agents: set[str] = attrs.field(factory=set)


class MemorySpace:
    """What one container's memory adapters share. Every access happens inside `transaction()`."""

    def __init__(self, clock: Clock, gates: Gates | None = None) -> None:
        self.clock = clock
        self.gates = gates or Gates()
        self.bell = Bell(clock)
        self.news = Bell(clock)
        self.bus = MemoryBusSpace(clock)
        self.runs: dict[RunKey, Run] = {}
        self.tasks: dict[str, LoggedTask] = {}
        self.running: dict[RunKey, None] = {}
        self.schedules: dict[str, tuple[datetime, datetime]] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.unconfirmed: dict[str, float] = {}
        self.lanes: dict[tuple[str, str], int] = {}
        self.guard = LapseGuard()
        self.metrics: dict[Subscription, Metrics] = {}
        self.journal: list[JournalEvent] = []
        self.latest_event = 0
        self.tombstones: dict[RunKey, datetime] = {}
        self.outbox: dict[str, OutboxEntry] = {}
        self.agents: dict[Subscription, AgentRecord] = {}
        self.workers: dict[str, tuple[WorkerReport, datetime]] = {}
        self.due_queues: dict[Subscription, list[tuple[datetime, int, RunKey]]] = {}
        self._lock = threading.RLock()
        self._positions = itertools.count(1)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Instant]:
        """Exclusive access, at one instant. The gates are pure and apply() cannot fail, so there is no rollback."""
        with self._lock:
            yield self.clock.now()

    def admit(self, request: Request) -> bool:
        """Refuse an overtaken request, remember this one as its lane's latest, and say whether it was asked before."""
        lane = (request.incarnation, request.lane)
        is_repeated = self.gates.admit(request, self.lanes.get(lane))
        self.lanes[lane] = request.counter
        return is_repeated

    def found(self, keys: Iterable[RunKey]) -> dict[RunKey, Run]:
        """Those of the runs that exist."""
        return {key: self.runs[key] for key in keys if key in self.runs}

    def marks(self) -> Marks:
        """What forbids deliveries."""
        return Marks(cancelled=_Cancelled(self.tasks), tombstones=self.tombstones)

    def due(self, subscription: Subscription) -> Iterator[Run]:
        """This agent's runs that have a due time, the longest due first."""
        queue = self.due_queues.get(subscription, [])
        stale = next((i for i, entry in enumerate(queue) if self._is_current(entry)), len(queue))
        del queue[:stale]
        return (self.runs[entry[2]] for entry in tuple(queue) if self._is_current(entry))

    def _is_current(self, entry: tuple[datetime, int, RunKey]) -> bool:
        run = self.runs.get(entry[2])
        return run is not None and run.state.is_due_state and run.due_at == entry[0]

    def record(self, task_id: str) -> TaskRecord | None:
        """All that is known of a task."""
        row = self.tasks.get(task_id)
        if row is None:
            return None
        return TaskRecord.of(
            row.task,
            created_at=row.created_at,
            agents=answerable(row.agents, row.task.topic, row.created_at, self.agents),
            runs=tuple(self.runs[task_id, agent] for agent in sorted(row.run_agents)),
            is_cancelled=row.is_cancelled,
            scheduled_for=self.schedules[task_id][1] if task_id in self.schedules else None,
        )

    def log(self, task: Task | Unreadable, now: Instant) -> LoggedTask:
        """The task's row, added when it is new."""
        row = self.tasks.get(task.task_id)
        if row is None:
            created_at = getattr(task, "created_at", now.at)
            row = self.tasks[task.task_id] = LoggedTask(task, next(self._positions), created_at)
        return row

    def apply(self, changes: Changes, now: Instant) -> None:
        """Write what a gate decided, and wake those who may care."""
        for task in changes.tasks:
            self.log(task, now)
        for run in changes.runs:
            self._put(run)
        for subscription, metrics in changes.metrics.items():
            self.metrics[subscription] = self.metrics.get(subscription, Metrics()) + metrics
        self._mark_and_schedule(changes)
        for task_id, agent in changes.forgotten:
            self._forget(task_id, agent)
        for task_id in changes.deleted:
            self._delete(task_id)
        self.tombstones.update(dict.fromkeys(changes.tombstones, now.at + TOMBSTONE_LIFE))
        self.write_events(changes.events)
        for notification in changes.notifications:
            self._tell(notification)
        if changes.is_news:
            self.news.ring()
        if changes.is_work:
            self.bell.ring()

    def _mark_and_schedule(self, changes: Changes) -> None:
        for task_id, is_cancelled in changes.cancel_marks.items():
            self.tasks[task_id].is_cancelled = is_cancelled
        for task_id in changes.unscheduled:
            self.schedules.pop(task_id, None)
        for task_id, due_at in changes.scheduled.items():
            self.schedules.setdefault(task_id, (due_at, due_at))

    def write_events(self, events: Iterable[JournalEvent]) -> None:
        """Append to the journal."""
        for event in events:
            self.latest_event += 1
            self.journal.append(replace(event, position=self.latest_event))

    def _tell(self, notification: Notification) -> None:
        if notification.notification_id not in self.outbox:
            entry = OutboxEntry.of(notification, next(self._positions))
            self.outbox[entry.notification_id] = entry

    def _put(self, run: Run) -> None:
        self.runs[run.key] = run
        self.tasks[run.task_id].run_agents.add(run.subscription.agent)
        if run.state is RunState.RUNNING:
            self.running[run.key] = None
        else:
            self.running.pop(run.key, None)
        if run.due_at is not None:
            entry = (run.due_at, next(self._positions), run.key)
            bisect.insort(self.due_queues.setdefault(run.subscription, []), entry)

    def _forget(self, task_id: str, agent: str) -> None:
        self.runs.pop((task_id, agent), None)
        row = self.tasks[task_id]
        row.run_agents.discard(agent)
        if row.agents is not None:
            row.agents = tuple(name for name in row.agents if name != agent)

    def _delete(self, task_id: str) -> None:
        row = self.tasks.pop(task_id)
        for agent in row.run_agents:
            self.runs.pop((task_id, agent), None)
            self.running.pop((task_id, agent), None)
        key = getattr(row.task, "idempotency_key", None)
        if key is not None:
            self.keys.pop((row.task.topic, key), None)
            self.unconfirmed.pop(task_id, None)
        self._drop_settled(lambda entry: entry.notification.task_id == task_id)

    def drop_settled(self, before: datetime) -> None:
        """Forget what the outbox has settled before then."""
        self._drop_settled(lambda entry: entry.settled_at is not None and entry.settled_at < before)

    def _drop_settled(self, is_chosen: Callable[[OutboxEntry], bool]) -> None:
        gone = [i for i, entry in self.outbox.items() if entry.settled_at is not None and is_chosen(entry)]
        for notification_id in gone:
            del self.outbox[notification_id]


class _Cancelled:
    """The cancelled tasks as a collection, without building a set of them for each batch."""

    def __init__(self, tasks: dict[str, LoggedTask]) -> None:
        self._tasks = tasks

    def __contains__(self, task_id: object) -> bool:
        row = self._tasks.get(str(task_id))
        return row is not None and row.is_cancelled

    def __iter__(self) -> Iterator[str]:
        return (task_id for task_id, row in self._tasks.items() if row.is_cancelled)

    def __len__(self) -> int:
        return sum(1 for _ in self)
