"""Batches of tasks on their whole way through one technology, as publisher and worker send them: bus, log, gates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from omnidaemon.app.pairing import handover, logging_bus
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BusFactory, StorageFactory
from omnidaemon.ports.bus import EventBus, Inbox
from omnidaemon.ports.run_store import LeaseSpan
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded

BATCH: Final = 100
AGENT: Final = Subscription("bench.tasks", "bench")
_PAYLOAD: Final = b'{"number": 1, "text": "' + b"x" * 276 + b'"}'
"""Of 300 bytes, as in the benchmarks."""


class Cycle:
    """Sends batches, of a hundred unless it is told otherwise."""

    def __init__(self, bus: EventBus, inbox: Inbox, storage: Storage, place: Place) -> None:
        self._bus = bus
        self._inbox = inbox
        self._storage = storage
        self._place = place
        self._worker = ScriptedWorker(storage.runs, "w1", 30.0)
        self._logging = logging_bus(bus, storage.capabilities)
        self._handover = handover(inbox, bus.capabilities, storage)
        self._sent = 0

    async def batch(self, count: int = BATCH) -> None:
        """So many tasks: published and logged, received, begun, acknowledged, finished."""
        tasks = [self._task() for _ in range(count)]
        if self._logging is None:
            receipts = await self._bus.publish(tasks)
            await self._storage.log.add(tasks)
        else:
            receipts = await self._logging.publish_logged(tasks)
        assert len(receipts) == count
        deliveries = await self._inbox.receive({AGENT: BATCH}, 5.0)
        received = [delivery.task for delivery in deliveries if isinstance(delivery.task, Task)]
        assert len(received) == count
        intakes = [self._worker.start_of(task, AGENT) for task in received]
        if self._handover is None:
            grants = await self._worker.begin(*intakes)
            await self._inbox.ack(deliveries)
        else:
            grants = await self._handover.begin(self._worker.request("begin"), intakes, deliveries)
        finishes = [outcome(grant, succeeded(b"1")) for grant in grants if grant is not None]
        assert all(await self._worker.finish(*finishes))
        assert len(finishes) == count

    def _task(self) -> Task:
        self._sent += 1
        return self._place.task(f"018f0000-0000-7000-8000-{self._sent:012d}", topic=AGENT.topic, payload=_PAYLOAD)


@asynccontextmanager
async def cycle_of(buses: BusFactory, storages: StorageFactory, place: Place) -> AsyncIterator[tuple[Cycle, Storage]]:
    """A cycle that has gone round once, so that scripts are known, connections open and statements prepared; and its
    storage."""
    context = place.context()
    async with buses(context) as bus, storages(context) as storage:
        await storage.registry.register([AgentProfile(subscription=AGENT)])
        await bus.declare({AGENT: Start.BACKLOG})
        await storage.registry.declared([AGENT])
        inbox = await bus.subscribe([AGENT])
        try:
            cycle = Cycle(bus, inbox, storage, place)
            await storage.runs.renew("w1", [], LeaseSpan(30.0, 30.0))
            await cycle.batch()
            yield cycle, storage
        finally:
            await inbox.close()
