"""The event bus: brings each task to a worker of each subscribed agent, and forgets it once the store has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import Value


@attrs.frozen(kw_only=True)
class BusCapabilities:
    """What a bus is by nature, as data.

    `is_durable`: what was confirmed survives the death of every process here. `is_lossy`: a task may be lost before a
    worker has begun it. `is_host_local`: it cannot be reached from another machine; `is_process_local`: not even from
    another process. `competes`: the workers of an agent share its tasks (else each gets all, and begin() selects).
    `keeps_backlog`: tasks published to a topic without agents wait for the first declaration. `transaction_scope`: what
    one transaction of a `LoggingBus`, or of an `AckingRunStore`, can reach: bus and storage of the same scope.
    `location`: where its server is, for a person, without secrets; "" where there is none.
    """

    name: str
    is_durable: bool = True
    is_lossy: bool = False
    is_host_local: bool = False
    is_process_local: bool = False
    competes: bool = True
    keeps_backlog: bool = True
    transaction_scope: str | None = attrs.field(default=None, repr=False)
    location: str = ""


class Confirmation(StrEnum):
    """What the bus said of a publication. `FAILED`: nobody has it, and nobody will. `UNKNOWN`: it may have arrived."""

    CONFIRMED = "confirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Receipt(Value, kw_only=True):
    """The answer to one published task. `receivers` is how many agents got it, where the bus knows; where nothing waits
    and there are none, it has failed."""

    task_id: str
    confirmation: Confirmation
    receivers: int | None = None
    reason: str = ""


class Delivery(Value, kw_only=True, gc=True):
    """One task handed to one agent. `token` is the inbox's own and means nothing to anybody else."""

    subscription: Subscription
    task: Task | Unreadable
    token: object


def within(
    credits: Mapping[Subscription, int], deliveries: Sequence[Delivery]
) -> tuple[list[Delivery], list[Delivery]]:
    """Those that a receive() with these credits may return, and the rest, each in their order: for an inbox that has
    taken more from its server than was asked for."""
    left = dict(credits)
    chosen: list[Delivery] = []
    spare: list[Delivery] = []
    for delivery in deliveries:
        room = left.get(delivery.subscription, 0)
        if room > 0:
            left[delivery.subscription] = room - 1
            chosen.append(delivery)
        else:
            spare.append(delivery)
    return chosen, spare


class Inbox(ABC):
    """One worker's intake from the bus. Deliveries are held for milliseconds: receive, begin, ack.

    Belongs to the loop that subscribed; one receive() at a time, ack() may run beside it.
    """

    @abstractmethod
    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        """Up to `credits[s]` deliveries for each subscription named, oldest first for each; never more.

        Returns at once when there are any, else waits up to `wait_seconds` and may return none. What it returns is held
        for this inbox: no other gets it unless this one closes, dies, or, where holds have an end, does not ack for
        some seconds; then it is delivered again, maybe to somebody else. So a delivery may come twice. Bytes that
        cannot be decoded come as `Unreadable`. Cancelling it loses nothing: what was taken comes with the next call or
        is given back. Raises `BackendUnavailable` when the bus cannot be reached; the caller tries again.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Have a receive() under way return soon with what it has, since the credits have changed."""

    @abstractmethod
    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Make the bus forget these. Idempotent; a delivery that is no longer held is passed over.

        Returns once the bus has confirmed, or raises `BackendUnavailable`: then they may come again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give back at once, uncounted, what was received and not acked. Idempotent; the inbox is of no use after."""


class AckableInbox(ABC):
    """An inbox whose deliveries a store within the bus's `transaction_scope` can have forgotten as it begins them; an
    optional second face of an `Inbox`, of use with an `AckingRunStore`."""

    @abstractmethod
    def acks(self, deliveries: Sequence[Delivery]) -> object:
        """What that store's transaction has to be told to do as ack() would. It means nothing to anybody else."""

    @abstractmethod
    def acked(self, deliveries: Sequence[Delivery]) -> None:
        """That transaction is done: the bus has forgotten these."""


class EventBus(ABC):
    """Topics, and for each subscription the tasks that its agent has not begun yet. An async context manager.

    Calls may come from several tasks of the loop that entered it. Vendor errors never escape: what may pass is
    `BackendUnavailable`, what a person has to mend `BackendUnusable`.
    """

    capabilities: BusCapabilities

    @abstractmethod
    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        """Make these subscriptions exist before anybody receives. Idempotent: an existing one keeps what waits for it.

        `BACKLOG`: the agent gets what waits on a topic that has had no agent so far; all subscriptions of one topic
        that are named in one call get all of it. `NOW`: only what is published after the call. The registry decides
        which, and repeats the call until it has returned once.
        """

    @abstractmethod
    async def retire(self, subscription: Subscription) -> None:
        """End a subscription and drop what waits for it. Idempotent."""

    @abstractmethod
    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        """Hand each task to every declared subscription of its topic; one receipt per task, in order.

        Tasks of one call to one topic are delivered in their order. A `CONFIRMED` one is as safe as the capabilities
        say. Does not raise for a backend that is away: the receipts say `FAILED` or `UNKNOWN`. Of a call that is
        cancelled nobody knows what was published; calls beside it are not harmed.
        """

    @abstractmethod
    async def purge(self, topic: str) -> int:
        """Drop what waits on the topic, for all of its agents; how many deliveries that were."""

    @abstractmethod
    async def subscribe(self, subscriptions: Sequence[Subscription]) -> Inbox:
        """An inbox for these declared subscriptions. Receiving starts with its first receive()."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LoggingBus(ABC):
    """A bus that can write the task log of the storage beside it in the transaction that publishes; an optional second
    face of an `EventBus`. Of use where both have the same `transaction_scope`."""

    @abstractmethod
    async def publish_logged(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        """As `EventBus.publish()`, and before it, in the same transaction, as `TaskLog.add()`: a `CONFIRMED` task is in
        both, a `FAILED` one in neither, and one that is `UNKNOWN` in both or neither. Many tasks may take several
        transactions. It may begin before it is awaited, so that a server works while its caller prepares more."""


@attrs.frozen(kw_only=True)
class Depth:
    """What waits on the bus: `agent` is None for tasks of a topic that has no agent yet. `held`: received, not
    acked."""

    topic: str
    agent: str | None
    waiting: int
    held: int = 0


class BusInspector(ABC):
    """What a bus can tell of itself; an optional second face of an `EventBus`."""

    @abstractmethod
    async def depths(self) -> Sequence[Depth]:
        """Every topic and subscription that exists or has something waiting, sorted by topic and agent."""
