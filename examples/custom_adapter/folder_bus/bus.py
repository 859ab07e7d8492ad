"""The bus: OmniDaemon's port on one side, the spool on the other.

Receiving lists a folder, so its cost grows with what waits there: a bus for thousands of tasks, not for millions.
"""
# ruff: noqa: D102 - a method without a docstring does what its port's says

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, unquote

from folder_bus.spool import Spool
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import BusCapabilities, BusInspector, Confirmation, Delivery, Depth, EventBus, Inbox, Receipt
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec

T = TypeVar("T")

_LOOK_SECONDS = 0.05
_RECOVER_SECONDS = 2.0


def folder_bus(context: BackendContext) -> FolderBus:
    """What the entry point names. FOLDER_BUS_DIR says where; beside the other data unless it is given."""
    root = Path(context.option("FOLDER_BUS_DIR") or context.data_dir / "folder-bus")
    return FolderBus(Spool(root / context.namespace), context.codec, context.clock)


class FolderBus(EventBus, BusInspector):
    """Durable: a confirmed message and its name are on the disk. For the processes of one machine."""

    capabilities = BusCapabilities(name="folder", is_host_local=True)

    def __init__(self, spool: Spool, codec: Codec, clock: Clock) -> None:
        self._spool = spool
        self._codec = codec
        self._clock = clock

    async def __aenter__(self) -> Self:
        try:
            self._spool.prepare()
        except OSError as error:
            raise BackendUnusable("folder", str(self._spool.root), str(error), "set FOLDER_BUS_DIR") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        def publish_all() -> list[Receipt]:
            with self._spool.publishing():
                return [self._publish(task, f"{time.time_ns():020d}-{place:06d}") for place, task in enumerate(tasks)]

        return await self._in_thread(publish_all)

    def _publish(self, task: Task, order: str) -> Receipt:
        def receipt(confirmation: Confirmation, receivers: int | None = None, reason: object = "") -> Receipt:
            return Receipt(task_id=task.task_id, confirmation=confirmation, receivers=receivers, reason=str(reason))

        try:
            draft = self._spool.write(self._codec.encode_task(task))
        except OSError as error:
            return receipt(Confirmation.FAILED, reason=error)
        try:
            agents = self._spool.hand_out(draft, task.topic, f"{order}-{quote(task.task_id, safe='')}")
        except OSError as error:
            return receipt(Confirmation.UNKNOWN, reason=error)  # some agent may have it
        else:
            return receipt(Confirmation.CONFIRMED, agents)
        finally:
            draft.unlink(missing_ok=True)

    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        agents = [(s.topic, s.agent, start is Start.BACKLOG) for s, start in subscriptions.items()]
        await self._in_thread(lambda: self._spool.declare(agents))

    async def retire(self, subscription: Subscription) -> None:
        await self._in_thread(lambda: self._spool.retire(subscription.topic, subscription.agent))

    async def purge(self, topic: str) -> int:
        return await self._in_thread(lambda: self._spool.purge(topic))

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> Inbox:  # noqa: ARG002 - receive() names them
        return FolderInbox(self._spool, self._codec, self._clock)

    async def depths(self) -> Sequence[Depth]:
        rows: list[Depth] = []
        for topic in self._spool.topics():
            for agent in [None, *self._spool.agents(topic)]:
                waiting, held = self._spool.count(topic, agent)
                if agent is not None or waiting:
                    rows.append(Depth(topic=topic, agent=agent, waiting=waiting, held=held))
        return sorted(rows, key=lambda row: (row.topic, row.agent or ""))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Off the loop, since writing to a disk and waiting for a lock take their time."""
        with _translated(self._spool):
            return await asyncio.to_thread(work)


class FolderInbox(Inbox):
    """Looks into its agents' folders every 50 ms while it waits. Nothing is awaited between a claim and its return, so
    a receive() that is cancelled has claimed nothing."""

    def __init__(self, spool: Spool, codec: Codec, clock: Clock) -> None:
        self._spool = spool
        self._codec = codec
        self._clock = clock
        self._name = uuid.uuid4().hex
        with _translated(spool):
            self._life = spool.open_inbox(self._name)
        self._interrupted = asyncio.Event()
        self._recovered_at = float("-inf")

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        deadline = self._clock.now().steady + wait_seconds
        while True:
            deliveries = self._look(credits)
            if deliveries or self._interrupted.is_set() or self._clock.now().steady >= deadline:
                self._interrupted.clear()
                return deliveries
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupted.wait(), _LOOK_SECONDS)

    def _look(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        try:
            with _translated(self._spool):
                if time.monotonic() - self._recovered_at >= _RECOVER_SECONDS:
                    self._spool.recover()
                    self._recovered_at = time.monotonic()
                for subscription, most in credits.items():
                    for message, content in self._spool.claim(subscription.topic, subscription.agent, self._name, most):
                        deliveries.append(self._delivery(subscription, message, content))
        except BackendUnavailable:
            if not deliveries:  # else what was claimed before the error is handed on, and the next call raises it
                raise
        return deliveries

    def _delivery(self, subscription: Subscription, message: Path, content: bytes) -> Delivery:
        task_id = unquote(message.name.split("-", 2)[2])
        task = self._codec.decode_task(content, task_id=task_id, topic=subscription.topic)
        return Delivery(subscription=subscription, task=task, token=message)

    def interrupt(self) -> None:
        self._interrupted.set()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        with _translated(self._spool):
            for delivery in deliveries:
                if isinstance(delivery.token, Path):
                    self._spool.drop(delivery.token)

    async def close(self) -> None:
        if not self._life.closed:
            with _translated(self._spool):
                self._spool.give_back(self._name)
                self._life.close()


@contextlib.contextmanager
def _translated(spool: Spool) -> Iterator[None]:
    """The operating system's errors as OmniDaemon's."""
    try:
        yield
    except OSError as error:
        raise BackendUnavailable("folder", str(spool.root), str(error)) from error
