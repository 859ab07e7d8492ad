"""What people ask about tasks, agents and the system, put together from the store and the bus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from omnidaemon.domain.agent import AgentRecord, WorkerRecord
from omnidaemon.domain.errors import AgentNotFound, BackendError
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.backend import SelfExamination, Weakness
from omnidaemon.ports.bus import BusInspector, Depth, EventBus
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.outbox import OutboxFilter
from omnidaemon.ports.registry import Census
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage


@attrs.frozen(kw_only=True)
class ResultPage:
    """Some results, newest task first, and the cursor for those that follow, None at the end."""

    results: tuple[TaskResult, ...]
    cursor: str | None = None


@attrs.frozen(kw_only=True)
class TaskDetails:
    """Everything about one task. `payload` is its decoded value; `task` is None for what is `unreadable` here; `errors`
    are those of every attempt, each with its agent; `events` the journal, oldest first. `is_cancel_requested`: somebody
    wants what runs of it stopped."""

    result: TaskResult
    payload: object
    task: Task | None
    unreadable: Unreadable | None = None
    errors: tuple[tuple[str, AttemptError], ...] = ()
    events: tuple[JournalEvent, ...] = ()
    is_cancel_requested: bool = False


@attrs.frozen(kw_only=True)
class WebhookStatus:
    """A webhook, or a reply, as people see it: what it tells of, where it goes, and how far it is. `attempts` are those
    that are remembered, oldest first; `next_attempt_at` is None once it is settled."""

    webhook_id: str
    kind: NotificationKind
    target: str
    status: OutboxStatus
    reason: str | None
    task_id: str
    topic: str
    agent: str
    task_status: Status
    created_at: datetime
    next_attempt_at: datetime | None
    settled_at: datetime | None
    attempts: tuple[SendAttempt, ...] = ()

    @classmethod
    def of(cls, entry: OutboxEntry) -> WebhookStatus:
        """What there is to see of an entry of the outbox."""
        told = entry.notification
        return cls(
            webhook_id=told.notification_id,
            kind=told.kind,
            target=told.target,
            status=entry.status,
            reason=entry.reason,
            task_id=told.task_id,
            topic=told.topic,
            agent=told.run.subscription.agent,
            task_status=Status(told.run.state),
            created_at=told.created_at,
            next_attempt_at=entry.due_at,
            settled_at=entry.settled_at,
            attempts=entry.log,
        )


@attrs.frozen(kw_only=True)
class WebhookPage:
    """Some webhooks and replies, newest first, and the cursor for those that follow, None at the end."""

    webhooks: tuple[WebhookStatus, ...]
    cursor: str | None = None


class AgentState(StrEnum):
    """Whether an agent takes work: `UNMANNED` when it may, but no live worker runs it."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNMANNED = "unmanned"


@attrs.frozen(kw_only=True)
class AgentStatus:
    """An agent as people see it. `workers` counts the live workers that run it, `counts` its runs per status."""

    topic: str
    name: str
    status: AgentState
    description: str
    tools: tuple[str, ...]
    workers: int
    when_stopped: str
    concurrency: int
    waiting: int | None
    counts: Mapping[str, int]

    @property
    def unbegun(self) -> int:
        """How many tasks wait for it: on the bus, and those that the store holds for it."""
        return (self.waiting or 0) + sum(self.counts.get(status, 0) for status in _UNBEGUN)


@attrs.frozen(kw_only=True)
class Health:
    """Whether it can work. `status` is `ok`, `degraded` (it works, with what `notes` say) or `unavailable`. `neglected`
    is what waits on the bus for agents that may work, and that no live worker runs."""

    status: str
    bus: str
    store: str
    workers: int
    agents: int
    notes: tuple[str, ...] = ()
    neglected: tuple[Depth, ...] = ()


_UNBEGUN = (Status.QUEUED, Status.RETRYING)


class Queries:
    """Reads; changes nothing."""

    def __init__(self, *, bus: EventBus, storage: Storage, codec: Codec) -> None:
        self._bus = bus
        self._storage = storage
        self._codec = codec

    async def result(self, task_id: str, agent: str | None = None) -> TaskResult | None:
        """The task's result whatever its status, None when the task is unknown; `TaskNotFound` for a strange agent."""
        record = (await self._storage.queries.records([task_id])).get(task_id)
        return None if record is None else self.result_of(record, agent)

    def result_of(self, standing: TaskStanding, agent: str | None = None) -> TaskResult:
        """What a person gets to see of a task that is known; errors as of `result()`."""
        return TaskResult.of(standing, agent, self._codec.decode_value)

    async def find(self, wanted: TaskFilter, cursor: str | None = None, limit: int = 100) -> ResultPage:
        """Results that match, a page at a time."""
        page = await self._storage.queries.find(wanted, cursor, limit)
        decode = self._codec.decode_value
        results = tuple([TaskResult.of(standing, None, decode) for standing in page.standings])
        return ResultPage(results=results, cursor=page.cursor)

    async def webhooks(self, wanted: OutboxFilter, cursor: str | None = None, limit: int = 100) -> WebhookPage:
        """Webhooks and replies that match, a page at a time."""
        page = await self._storage.outbox.find(wanted, cursor, limit)
        return WebhookPage(webhooks=tuple(map(WebhookStatus.of, page.entries)), cursor=page.cursor)

    async def details(self, task_id: str) -> TaskDetails | None:
        """Everything about one task, None when it is unknown."""
        record = (await self._storage.queries.records([task_id])).get(task_id)
        if record is None:
            return None
        task = record.task if isinstance(record.task, Task) else None
        return TaskDetails(
            result=self.result_of(record),
            payload=self._codec.decode_value(task.payload) if task else None,
            task=task,
            unreadable=record.task if isinstance(record.task, Unreadable) else None,
            errors=tuple((run.subscription.agent, error) for run in record.runs for error in run.errors),
            events=tuple(await self._storage.journal.read(task_id=task_id)),
            is_cancel_requested=any(run.is_cancel_requested for run in record.runs),
        )

    async def last_event(self, task_id: str) -> int | None:
        """The position of the last event of a task that has ended or is not known, 0 when none is kept; None of one
        that goes on."""
        record = (await self._storage.queries.records([task_id])).get(task_id)
        if record is not None and not record.status.is_end:
            return None
        last = 0
        while events := await self._storage.journal.read(last, task_id):
            last = events[-1].position
        return last

    async def is_heard_of(self, task_id: str, after: int | None) -> bool:
        """Whether a task is known, or the journal keeps events of it above a position: of one that was deleted."""
        if task_id in await self._storage.queries.records([task_id]):
            return True
        return after is not None and bool(await self._storage.journal.read(after, task_id, 1))

    # --- agents and workers -------------------------------------------------------------------------------------------

    async def agents(self) -> list[AgentStatus]:
        """All agents, sorted by topic and name."""
        census = await self._storage.registry.census()
        counts = await self._storage.queries.counts()
        waiting = {(depth.topic, depth.agent): depth.waiting for depth in await self.depths()}
        return [_agent_status(record, census.workers, counts, waiting) for record in census.agents]

    async def agent(self, subscription: Subscription) -> AgentStatus:
        """One agent; `AgentNotFound` when there is none."""
        for status in await self.agents():
            if (status.topic, status.name) == (subscription.topic, subscription.agent):
                return status
        raise AgentNotFound(subscription.topic, subscription.agent)

    async def heard_topics(self) -> frozenset[str]:
        """The topics that some agent listens to."""
        return frozenset(record.profile.subscription.topic for record in (await self._storage.registry.census()).agents)

    async def workers(self) -> list[WorkerRecord]:
        """All workers that were heard within the last hour."""
        return list((await self._storage.registry.census()).workers)

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        """What each agent has done, those that have done nothing too."""
        done = dict(await self._storage.queries.metrics())
        for record in (await self._storage.registry.census()).agents:
            done.setdefault(record.profile.subscription, Metrics())
        return dict(sorted(done.items()))

    async def depths(self) -> Sequence[Depth]:
        """What waits on the bus; empty for a bus that cannot tell."""
        return await self._bus.depths() if isinstance(self._bus, BusInspector) else ()

    async def weaknesses(self) -> Sequence[Weakness]:
        """What weakens the promise by the way that bus and store are run; what both tell, once."""
        examined = [each for each in (self._bus, self._storage) if isinstance(each, SelfExamination)]
        return list(dict.fromkeys([weakness for each in examined for weakness in await each.weaknesses()]))

    async def health(self) -> Health:
        """Whether bus and store answer, and what a person should know of them."""
        bus, store = self._bus.capabilities, self._storage.capabilities
        notes: list[str] = []
        census = Census()
        depths: Sequence[Depth] = ()
        failures = 0
        try:
            census = await self._storage.registry.census()
        except BackendError as error:
            failures += 1
            notes.append(str(error))
        try:
            depths = await self.depths()
        except BackendError as error:
            failures += 1
            notes.append(str(error))
        if bus.is_lossy:
            notes.append(f"the {bus.name} bus can lose tasks that no worker has begun")
        if not store.is_durable:
            notes.append(f"the {store.name} store forgets everything when its process ends")
        status = "unavailable" if failures else "degraded" if notes else "ok"
        return Health(
            status=status,
            bus=bus.name,
            store=store.name,
            workers=sum(worker.is_alive for worker in census.workers),
            agents=len(census.agents),
            notes=tuple(dict.fromkeys(notes)),  # bus and store on one server say the same
            neglected=_neglected(census, depths),
        )


def _neglected(census: Census, depths: Iterable[Depth]) -> tuple[Depth, ...]:
    run = {each for worker in census.workers if worker.is_alive for each in worker.report.subscriptions}
    mine = {record.profile.subscription for record in census.agents if not record.is_stopped} - run
    names = {(each.topic, each.agent) for each in mine}
    return tuple([depth for depth in depths if depth.waiting and (depth.topic, depth.agent) in names])


def _state(record: AgentRecord, alive: int) -> AgentState:
    if record.is_stopped:
        return AgentState.STOPPED
    return AgentState.RUNNING if alive else AgentState.UNMANNED


def _agent_status(
    record: AgentRecord,
    workers: Sequence[WorkerRecord],
    counts: Mapping[tuple[Subscription, Status], int],
    waiting: Mapping[tuple[str, str | None], int],
) -> AgentStatus:
    profile = record.profile
    subscription = profile.subscription
    alive = sum(worker.is_alive and subscription in worker.report.subscriptions for worker in workers)
    return AgentStatus(
        topic=subscription.topic,
        name=subscription.agent,
        status=_state(record, alive),
        description=profile.description,
        tools=profile.tools,
        workers=alive,
        when_stopped=profile.when_stopped,
        concurrency=profile.concurrency,
        waiting=waiting.get((subscription.topic, subscription.agent)),
        counts={status.value: count for (owner, status), count in counts.items() if owner == subscription},
    )
