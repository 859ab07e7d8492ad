"""The memory bus: a queue per subscription, in this process."""

from __future__ import annotations

import threading
from collections import deque
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


class MemoryBusSpace:
    """The queues that the buses of one container share. `waiting` holds what has been published to topics without
    agents; `queues` what no inbox holds."""

    def __init__(self, clock: Clock) -> None:
        self.lock = threading.Lock()
        self.bell = Bell(clock)
        self.queues: dict[Subscription, deque[Task]] = {}
        self.waiting: dict[str, list[Task]] = {}
        self.held: dict[Subscription, int] = {}

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

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        space = self._space
        receipts: list[Receipt] = []
        with space.lock:
            for task in tasks:
                subscribers = space.subscribers(task.topic)
                for subscription in subscribers:
                    space.queues[subscription].append(task)
                if not subscribers:
                    space.waiting.setdefault(task.topic, []).append(task)
                receipts.append(
                    Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED, receivers=len(subscribers))
                )
        space.bell.ring()
        return receipts

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
            rows = [Depth(topic=topic, agent=None, waiting=len(tasks)) for topic, tasks in space.waiting.items()]
            rows += [
                Depth(topic=s.topic, agent=s.agent, waiting=len(queue), held=space.held.get(s, 0))
                for s, queue in space.queues.items()
            ]
        return sorted(rows, key=lambda row: (row.topic, row.agent or ""))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@attrs.frozen(eq=False)
class _Held:
    """The token of a delivery: compared by identity, since a task may come twice."""

    task: Task


class MemoryInbox(Inbox):
    """Takes from the queues; what it holds is in `_held` until it is acked or the inbox closes."""

    def __init__(self, space: MemoryBusSpace, subscriptions: Sequence[Subscription]) -> None:
        self._space = space
        self._subscriptions = tuple(subscriptions)
        self._held: dict[_Held, Subscription] = {}
        self._bell = space.bell.listen()

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        deliveries = self._take(credits)
        if not deliveries and wait_seconds > 0:
            await self._bell.wait(wait_seconds)
            deliveries = self._take(credits)
        return deliveries

    def _take(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        space = self._space
        deliveries: list[Delivery] = []
        with space.lock:
            for subscription, most in credits.items():
                queue = space.queues.get(subscription, deque())
                for _ in range(min(most, len(queue))):
                    token = _Held(queue.popleft())
                    self._held[token] = subscription
                    space.held[subscription] = space.held.get(subscription, 0) + 1
                    deliveries.append(Delivery(subscription=subscription, task=token.task, token=token))
        return deliveries

    def interrupt(self) -> None:
        self._bell.notify()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        with self._space.lock:
            for delivery in deliveries:
                if isinstance(delivery.token, _Held):
                    self._drop(delivery.token)

    def _drop(self, token: _Held) -> Subscription | None:
        subscription = self._held.pop(token, None)
        if subscription is not None:
            self._space.held[subscription] -= 1
        return subscription

    async def close(self) -> None:
        space = self._space
        with space.lock:
            for token in reversed(list(self._held)):
                subscription = self._drop(token)
                queue = None if subscription is None else space.queues.get(subscription)
                if queue is not None:  # else it was retired meanwhile: nobody wants the task any more
                    queue.appendleft(token.task)
        self._bell.close()
        space.bell.ring()
