"""Publishing in as few calls as there are rounds, however many publish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Receipt

MOST_TASKS = 500
"""What callers that go together bring at most: who does one thing at a time does nothing else meanwhile."""

Publish = Callable[[Sequence[Task]], Awaitable[Sequence[Receipt]]]
"""Publishes tasks; one receipt for each, in order."""

_Caller = tuple[Sequence[Task], asyncio.Future[Sequence[Receipt]]]


class JoinedPublishing:
    """What is published while a call is under way goes with the next one: a hundred concurrent publishes cost two calls
    instead of a hundred, and each of them a future instead of all that a call is made of. Who is alone calls at once
    and by itself. Of one event loop."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._is_busy = False
        self._waiting: list[_Caller] = []
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        """One receipt for each task. What raises, raises for all that went together. A call that is cancelled while it
        waits for others publishes nothing; of one under way nobody knows."""
        if self._is_busy:
            answer: asyncio.Future[Sequence[Receipt]] = asyncio.get_running_loop().create_future()
            self._waiting.append((tasks, answer))
            return await answer
        self._is_busy = True
        try:
            return await self._published(tasks)
        finally:
            # Also when this caller is cancelled: those who wait are not.
            if self._waiting:
                self._sending = asyncio.create_task(self._send())
            else:
                self._is_busy = False

    async def _send(self) -> None:
        try:
            while together := self._next():
                try:
                    receipts = await self._published([task for tasks, _ in together for task in tasks])
                except Exception as error:  # noqa: BLE001 - whatever it is, each of the callers gets to hear of it
                    for _, answer in together:
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    end = 0
                    for tasks, answer in together:
                        start, end = end, end + len(tasks)
                        if not answer.done():  # who was cancelled meanwhile waits no more
                            answer.set_result(receipts[start:end])
        finally:
            self._is_busy = False

    async def _published(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        receipts = await self._publish(tasks)
        if len(receipts) != len(tasks):  # handed out in order, the missing ones would be somebody else's
            raise RuntimeError(f"the bus gave {len(receipts)} receipts for {len(tasks)} tasks")
        return receipts

    def _next(self) -> list[_Caller]:
        """Those who go together now, in order; none when nobody waits."""
        # Who was cancelled before anything was sent may have published it anew: it is not sent behind its back.
        self._waiting = [caller for caller in self._waiting if not caller[1].done()]
        count = callers = 0
        for tasks, _ in self._waiting:
            count += len(tasks)
            if callers and count > MOST_TASKS:
                break
            callers += 1
        together, self._waiting = self._waiting[:callers], self._waiting[callers:]
        return together
