"""The state of a small world around a store: what is on the bus, what each worker knows, which faults are left."""

from __future__ import annotations

from enum import StrEnum

import attrs

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import Counts, DeliveryPolicy
from omnidaemon.domain.requests import ClaimLimit, Finish, Grant, Held, Request
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task
from omnidaemon.ports.run_store import LeaseSpan

TICK_SECONDS = 1.0
"""A quarter of a lease: every live worker renews once in each."""

LEASE_SECONDS = 4 * TICK_SECONDS
SPAN = LeaseSpan(LEASE_SECONDS, LEASE_SECONDS)
SLOTS = 2
QUESTION = "shall I?"


@attrs.frozen(kw_only=True)
class Faults:
    """How many of each may still happen. The last row are people's doings: not faults, but nothing may wait for them.

    `crash`: a worker dies, its deliveries come again. `freeze`: it stands still until it thaws. `gap`: the store is
    away for longer than a lease. `lost`: a call is carried out, its reply is not heard. `delayed`: a call is heard only
    after it has been repeated. `duplicate`: a message comes once more, while it waits or is held, to anybody.
    """

    crash: int = 0
    freeze: int = 0
    gap: int = 0
    lost: int = 0
    delayed: int = 0
    duplicate: int = 0
    cancel: int = 0
    requeue: int = 0
    answer: int = 0
    delete: int = 0
    drain: int = 0

    def less(self, name: str) -> Faults:
        """With one of them spent."""
        return attrs.evolve(self, **{name: getattr(self, name) - 1})


class Lane(StrEnum):
    """A worker's lanes of gate calls; each has one call under way at a time."""

    BEGIN = "begin"
    CLAIM = "claim"
    FINISH = "finish"
    RELEASE = "release"


class Phase(StrEnum):
    """What a worker does with a grant: execute it, stop it because somebody cancelled it, or end it unexecuted."""

    RUNNING = "running"
    STOPPING = "stopping"
    EXPIRED = "expired"


@attrs.frozen
class Message:
    """A delivery on the bus, and the worker that holds it."""

    key: RunKey
    holder: int | None = None


@attrs.frozen(kw_only=True)
class Holding:
    """A grant in a worker's hands."""

    key: RunKey
    fence: int
    counts: Counts
    phase: Phase = Phase.RUNNING
    is_answered: bool = False
    is_last_chance: bool = False

    @property
    def as_held(self) -> Held:
        """As the gates want it named."""
        return Held(*self.key, self.fence)


@attrs.frozen
class Call:
    """A gate call, as it is repeated after a lost reply: the same request with the same arguments."""

    request: Request
    message: Message | None = None
    limits: tuple[ClaimLimit, ...] = ()
    is_idle: bool = False
    finish: Finish | None = None
    held: tuple[Held, ...] = ()

    @property
    def lane(self) -> Lane:
        """Which of the lanes it belongs to."""
        return Lane(self.request.lane)

    @property
    def grants(self) -> tuple[Held, ...]:
        """The grants that it settles or gives back: the worker renews them until it has heard the reply."""
        return (Held(self.finish.task_id, self.finish.agent, self.finish.fence),) if self.finish else self.held


@attrs.frozen(kw_only=True)
class Worker:
    """What a worker process knows. `calls` are those whose reply it waits for; `is_alone` while it makes room for a
    run at its last chance."""

    agents: tuple[Subscription, ...]
    incarnation: str
    counters: tuple[tuple[Lane, int], ...] = tuple((lane, 0) for lane in Lane)
    holdings: tuple[Holding, ...] = ()
    calls: tuple[Call, ...] = ()
    is_frozen: bool = False
    is_draining: bool = False
    is_gone: bool = False
    is_alone: bool = False

    @property
    def is_awake(self) -> bool:
        """Whether it does anything at all."""
        return not self.is_frozen and not self.is_gone

    @property
    def free_slots(self) -> int:
        """How many grants it can still take. One that is being recorded keeps its slot."""
        return SLOTS - len(self.holdings) - sum(len(call.grants) for call in self.calls)

    def call_of(self, lane: Lane) -> Call | None:
        """The lane's call under way."""
        return next((call for call in self.calls if call.lane is lane), None)

    def next_request(self, lane: Lane) -> tuple[Request, Worker]:
        """The lane's next request, and the worker that has used it up."""
        counters = {**dict(self.counters), lane: dict(self.counters)[lane] + 1}
        return (
            Request(self.incarnation, lane.value, counters[lane]),
            attrs.evolve(self, counters=tuple(counters.items())),
        )

    def reborn(self) -> Worker:
        """The process started anew, knowing nothing."""
        name, _, life = self.incarnation.partition(".")
        return Worker(agents=self.agents, incarnation=f"{name}.{int(life) + 1}")

    def with_grants(self, grants: tuple[Grant, ...], policy: DeliveryPolicy) -> Worker:
        """Holding these as well, each executed unless the policy ends it first. A run that it held under an older
        fence is lost: it slept over its lease, and its own claim took the run from it."""
        added = tuple(_holding(grant, policy) for grant in grants)
        keys = {holding.key for holding in added}
        return attrs.evolve(self, holdings=(*(h for h in self.holdings if h.key not in keys), *added))


def _holding(grant: Grant, policy: DeliveryPolicy) -> Holding:
    run = grant.run
    counts = Counts(attempts=run.attempts, crashes=run.crashes)
    return Holding(
        key=run.key,
        fence=run.fence,
        counts=counts,
        phase=Phase.RUNNING if policy.before_start(counts) is None else Phase.EXPIRED,
        is_answered=QUESTION in dict(run.answers),
        is_last_chance=policy.is_last_chance(run.crashes),
    )


@attrs.frozen(kw_only=True)
class World:
    """Everything but the store. `ghosts` are calls that are still on their way. `forbidden`: runs that were cancelled
    before they began. `executed`: runs that were executed at least once."""

    tasks: tuple[Task, ...]
    policy: DeliveryPolicy
    messages: tuple[Message, ...]
    workers: tuple[Worker, ...]
    faults: Faults
    budget: Faults
    ghosts: tuple[Call, ...] = ()
    forbidden: frozenset[RunKey] = frozenset()
    executed: frozenset[RunKey] = frozenset()
    deleted: frozenset[str] = frozenset()
    may_fail: bool = True
    may_ask: bool = False
    crashes_are_final: bool = False

    def task(self, key: RunKey) -> Task:
        """The task of a run."""
        return next(task for task in self.tasks if task.task_id == key[0])

    def with_worker(self, index: int, worker: Worker) -> World:
        """With this worker in its place."""
        return attrs.evolve(self, workers=(*self.workers[:index], worker, *self.workers[index + 1 :]))

    def without(self, message: Message) -> World:
        """With one such message less."""
        position = self.messages.index(message)
        return attrs.evolve(self, messages=self.messages[:position] + self.messages[position + 1 :])

    def with_message(self, message: Message) -> World:
        """With one such message more; their order is of no account."""
        return attrs.evolve(self, messages=tuple(sorted((*self.messages, message), key=str)))

    def spend(self, fault: str) -> World:
        """With one such fault less to come."""
        return attrs.evolve(self, faults=self.faults.less(fault))

    def spent(self, fault: str) -> int:
        """How many of these have happened."""
        return int(getattr(self.budget, fault) - getattr(self.faults, fault))
