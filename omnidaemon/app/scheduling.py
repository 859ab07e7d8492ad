"""Delayed tasks that come due, and keyed ones whose publisher died: published by whichever worker sees them first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from omnidaemon.app.lanes import Persistence
from omnidaemon.app.outages import Outages
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, EventBus
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.schedules import Schedules
from omnidaemon.ports.task_log import TaskLog

_BATCH = 200
_HOLD_SECONDS = 10.0
_SHORTEST_PAUSE_SECONDS = 0.15
_CONFIRM_PERIOD_SECONDS = 10.0
_BACKSTOP_SECONDS = 5.0
_UNCONFIRMED_SECONDS = 60.0


class DueSchedules:
    """Publishes what is due under its own id: sent twice, it is begun once."""

    def __init__(
        self,
        *,
        bus: EventBus,
        schedules: Schedules,
        log: TaskLog,
        clock: Clock,
        outages: Outages,
        hint: asyncio.Event,
    ) -> None:
        self._bus = bus
        self._schedules = schedules
        self._log = log
        self._clock = clock
        self._hint = hint
        self._store = Persistence(clock, outages)

    async def run(self) -> None:
        """Publish until cancelled."""
        confirm_at = self._clock.now().steady  # at once: whoever died may have been the last that was here
        while True:
            pause = await self._store.call(self._publish_due)
            if self._clock.now().steady >= confirm_at:
                await self._store.call(self._publish_unconfirmed)
                confirm_at = self._clock.now().steady + _CONFIRM_PERIOD_SECONDS
            await self._clock.wait(asyncio.Event(), _SHORTEST_PAUSE_SECONDS)
            if pause > _SHORTEST_PAUSE_SECONDS:
                await self._clock.wait(self._hint, pause - _SHORTEST_PAUSE_SECONDS)
            self._hint.clear()

    async def _publish_due(self) -> float:
        """Publish what is due now; how long nothing more will be."""
        taken = await self._schedules.take(_BATCH, _HOLD_SECONDS)
        await self._schedules.drop(await self._published(taken.tasks))
        backstop = _BACKSTOP_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter between workers
        return backstop if taken.next_due_seconds is None else min(backstop, taken.next_due_seconds)

    async def _publish_unconfirmed(self) -> None:
        tasks = await self._log.unconfirmed(_UNCONFIRMED_SECONDS, _BATCH)
        if not tasks:
            return
        delayed = [task for task in tasks if task.due_at is not None]
        await self._schedules.put(delayed)  # published when they are due; at once, if they are
        published = await self._published([task for task in tasks if task.due_at is None])
        await self._log.confirm([*(task.task_id for task in delayed), *published])

    async def _published(self, tasks: Sequence[Task]) -> list[str]:
        """Those that the bus confirmed; the others come again once their hold is over."""
        if not tasks:
            return []
        receipts = await self._bus.publish(tasks)
        return [receipt.task_id for receipt in receipts if receipt.confirmation is Confirmation.CONFIRMED]
