"""The memory bus: a queue per subscription, in this process."""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.adapters.memory.bell import Bell
from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import (
    BusCapabilities,
    BusInspector,
    Confirmation,
    Delivery,
    Depth,
    EventBus,
    Inbox,
    Receipt,
)
from omnidaemon.ports.clock import Clock

_HOLD_SECONDS = 5.0


@attrs.frozen(eq=False)
class _Held:
    """The token of a delivery: compared by identity, since a task may come twice."""

    task: Task
    subscription: Subscription
    inbox: MemoryInbox
    until: float


class MemoryBusSpace:
    """The queues that the buses of one container share. `waiting` holds what has been published to topics without
    agents; `queues` what no inbox holds; `held` the rest, the longest held first.

    Above `most_deliveries` it takes nothing more: a memory that grows for ever ends the process.
    """

    def __init__(self, clock: Clock, most_deliveries: int = 1_000_000) -> None:
        self.clock = clock
        self.most_deliveries = most_deliveries
        self.lock = threading.Lock()
        self.bell = Bell(clock)
        self.queues: dict[Subscription, deque[Task]] = {}
        self.waiting: dict[str, list[Task]] = {}
        self.held: dict[_Held, None] = {}

    @property
    def deliveries(self) -> int:
        """How many there are in all."""
        return len(self.held) + sum(map(len, self.queues.values())) + sum(map(len, self.waiting.values()))

    def give_back(self, held: Sequence[_Held]) -> None:
        """Put these at the head of their queues again, in their order."""
        for token in reversed(held):
            del self.held[token]
            self.queues[token.subscription].appendleft(token.task)

    def end_holds(self) -> None:
        """Give back what was not acked in time."""
        now = self.clock.now().steady
        self.give_back(list(itertools.takewhile(lambda token: token.until <= now, self.held)))

    def subscribers(self, topic: str) -> list[Subscription]:
        """The declared subscriptions of a topic."""
        return [subscription for subscription in self.queues if subscription.topic == topic]


class MemoryBus(EventBus, BusInspector):
    """Gone with the process, and says so. What a closed inbox held comes back; what a killed process held is lost."""

    capabilities = BusCapabilities(
        name="memory", is_durable=False, is_lossy=True, is_host_local=True, is_process_local=True
    )

    def __init__(self, space: MemoryBusSpace) -> None:
        self._space = space

    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        space = self._space
        with space.lock:
            fresh = [subscription for subscription in subscriptions if subscription not in space.queues]
            starting = {s.topic for s in fresh if subscriptions[s] is Start.BACKLOG and not space.subscribers(s.topic)}
            for subscription in fresh:
                space.queues[subscription] = deque()
            for topic in starting:
                for task in space.waiting.pop(topic, ()):
                    for subscription in space.subscribers(topic):
                        if subscriptions.get(subscription) is Start.BACKLOG:
                            space.queues[subscription].append(task)
        space.bell.ring()

    async def retire(self, subscription: Subscription) -> None:
        with self._space.lock:
            self._space.queues.pop(subscription, None)
            for token in [token for token in self._space.held if token.subscription == subscription]:
                del self._space.held[token]

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        space = self._space
        receipts: list[Receipt] = []
        with space.lock:
            room = space.most_deliveries - space.deliveries
            for task in tasks:
                subscribers = space.subscribers(task.topic)
                room -= max(1, len(subscribers))
                if room < 0:
                    receipts.append(self._refusal(task))
                    continue
                for subscription in subscribers:
                    space.queues[subscription].append(task)
                if not subscribers:
                    space.waiting.setdefault(task.topic, []).append(task)
                receipts.append(
                    Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED, receivers=len(subscribers))
                )
        space.bell.ring()
        return receipts

    def _refusal(self, task: Task) -> Receipt:
        reason = f"the memory bus is full: {self._space.most_deliveries:,} deliveries wait or are held"
        return Receipt(task_id=task.task_id, confirmation=Confirmation.FAILED, reason=reason)

    async def purge(self, topic: str) -> int:
        space = self._space
        with space.lock:
            dropped = len(space.waiting.pop(topic, ()))
            for subscription in space.subscribers(topic):
                dropped += len(space.queues[subscription])
                space.queues[subscription].clear()
        return dropped

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> Inbox:
        return MemoryInbox(self._space, subscriptions)

    async def depths(self) -> Sequence[Depth]:
        space = self._space
        with space.lock:
            space.end_holds()
            held = Counter(token.subscription for token in space.held)
            rows = [Depth(topic=topic, agent=None, waiting=len(tasks)) for topic, tasks in space.waiting.items()]
            rows += [
                Depth(topic=s.topic, agent=s.agent, waiting=len(queue), held=held[s])
                for s, queue in space.queues.items()
            ]
        return sorted(rows, key=lambda row: (row.topic, row.agent or ""))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class MemoryInbox(Inbox):
    """Takes from the queues; what it takes is held in the space until it is acked, its time is up, or the inbox
    closes."""

    def __init__(self, space: MemoryBusSpace, subscriptions: Sequence[Subscription]) -> None:
        self._space = space
        self._subscriptions = tuple(subscriptions)
        self._bell = space.bell.listen()

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        deliveries = self._take(credits)
        if not deliveries and wait_seconds > 0:
            await self._bell.wait(min(wait_seconds, self._until_next_hold_ends()))
            deliveries = self._take(credits)
        return deliveries

    def _take(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        space = self._space
        deliveries: list[Delivery] = []
        with space.lock:
            space.end_holds()
            until = space.clock.now().steady + _HOLD_SECONDS
            for subscription, most in credits.items():
                queue = space.queues.get(subscription, deque())
                for _ in range(min(most, len(queue))):
                    token = _Held(queue.popleft(), subscription, self, until)
                    space.held[token] = None
                    deliveries.append(Delivery(subscription=subscription, task=token.task, token=token))
        return deliveries

    def _until_next_hold_ends(self) -> float:
        """In seconds: nobody rings then."""
        space = self._space
        with space.lock:
            ends = next((token.until for token in space.held), math.inf)
        return max(0.0, ends - space.clock.now().steady)

    def interrupt(self) -> None:
        self._bell.notify()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        with self._space.lock:
            for delivery in deliveries:
                if isinstance(delivery.token, _Held):
                    self._space.held.pop(delivery.token, None)

    async def close(self) -> None:
        space = self._space
        with space.lock:
            space.give_back([token for token in space.held if token.inbox is self])
        self._bell.close()
        space.bell.ring()
