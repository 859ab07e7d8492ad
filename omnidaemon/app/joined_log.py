"""Adding to the task log in as few calls as there are rounds, however many publish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from omnidaemon.domain.task import Task
from omnidaemon.ports.task_log import TaskLog

_MOST_TASKS = 500
"""What one call takes at most: a store that does one thing at a time does nothing else meanwhile."""

_Caller = tuple[Sequence[Task], asyncio.Future[None]]


class JoinedLog:
    """What is added while a call is under way goes with the next one, as on the bus: a hundred concurrent publishes
    cost two calls instead of a hundred. Who is alone calls at once and by itself; who has many tasks, several times. Of
    one event loop."""

    def __init__(self, log: TaskLog) -> None:
        self._log = log
        self._is_busy = False
        self._waiting: list[_Caller] = []
        self._sending: asyncio.Task[None] | None = None

    async def add(self, tasks: Sequence[Task]) -> None:
        """As `TaskLog.add`, atomic for each `_MOST_TASKS`. What fails, fails for all that went together."""
        if self._is_busy:
            answer = asyncio.get_running_loop().create_future()
            self._waiting.append((tasks, answer))
            await answer
            return
        self._is_busy = True
        try:
            await self._add(tasks)
        finally:
            # Also when this caller is cancelled: those who wait are not.
            if self._waiting:
                self._sending = asyncio.create_task(self._send())
            else:
                self._is_busy = False

    async def _add(self, tasks: Sequence[Task]) -> None:
        for at in range(0, len(tasks), _MOST_TASKS):
            await self._log.add(tasks[at : at + _MOST_TASKS])

    async def _send(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:_MOST_TASKS], self._waiting[_MOST_TASKS:]
                try:
                    await self._add([task for tasks, _ in together for task in tasks])
                except Exception as error:  # noqa: BLE001 - whatever it is, each of the callers gets to hear of it
                    self._answer(together, error)
                else:
                    self._answer(together, None)
        finally:
            self._is_busy = False

    @staticmethod
    def _answer(together: Sequence[_Caller], error: Exception | None) -> None:
        for _, answer in together:
            if not answer.done():  # who was cancelled meanwhile waits no more
                answer.set_result(None) if error is None else answer.set_exception(error)
