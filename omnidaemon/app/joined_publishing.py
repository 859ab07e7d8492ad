"""Publishing in as few calls as there are rounds, however many publish at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Receipt

MOST_TASKS = 500
"""What callers that go together bring at most: who does one thing at a time does nothing else meanwhile."""

_MOST_CALLS: Final = 3

Publish = Callable[[Sequence[Task]], Awaitable[Sequence[Receipt]]]
"""Publishes tasks; one receipt for each, in order."""

_Caller = tuple[Sequence[Task], asyncio.Future[Sequence[Receipt]]]


class JoinedPublishing:
    """What is published while a call is under way goes with the next one: a hundred concurrent publishes cost two calls
    instead of a hundred, and each of them a future instead of all that a call is made of. Who is alone calls at once
    and by itself. Of one event loop.

    `enough`: so many tasks wait for no reply. Of use where a call begins before it is awaited, so that a server has
    work while the callers after these are still making their tasks.
    """

    def __init__(self, publish: Publish, *, enough: int | None = None) -> None:
        self._publish = publish
        self._enough = enough
        self._calls = 0
        self._waiting: list[_Caller] = []
        self._sending: set[asyncio.Task[None]] = set()

    def publish(self, tasks: Sequence[Task]) -> Awaitable[Sequence[Receipt]]:
        """One receipt for each task, to be awaited at once. What raises, raises for all that went together. A call that
        is cancelled while it waits for others publishes nothing; of one under way nobody knows."""
        if not self._calls:
            return self._alone(tasks)
        answer: asyncio.Future[Sequence[Receipt]] = asyncio.get_running_loop().create_future()
        self._waiting.append((tasks, answer))
        if self._enough is not None and len(self._waiting) >= self._enough and self._calls < _MOST_CALLS:
            self._send()
        return answer

    async def _alone(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        self._calls += 1
        try:
            return _checked(tasks, await self._publish(tasks))
        finally:
            # Also when this caller is cancelled: those who wait are not.
            self._go_on()

    def _send(self) -> None:
        """Begin a call for those who wait."""
        together = self._next()
        if not together:
            return
        tasks = [task for brought, _ in together for task in brought]
        self._calls += 1
        try:
            receipts = self._publish(tasks)  # it may begin here
        except Exception as error:  # noqa: BLE001 - as of one that is awaited
            _refuse(together, error)
            self._go_on()
        else:
            sending = asyncio.create_task(self._hand_out(receipts, tasks, together))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _hand_out(
        self, awaited: Awaitable[Sequence[Receipt]], tasks: Sequence[Task], together: Sequence[_Caller]
    ) -> None:
        try:
            receipts = _checked(tasks, await awaited)
        except Exception as error:  # noqa: BLE001 - whatever it is, each of the callers gets to hear of it
            _refuse(together, error)
        else:
            end = 0
            for brought, answer in together:
                start, end = end, end + len(brought)
                if not answer.done():  # who was cancelled meanwhile waits no more
                    answer.set_result(receipts[start:end])
        finally:
            self._go_on()

    def _go_on(self) -> None:
        """A call has ended: those who wait are next, unless several are under way still."""
        self._calls -= 1
        if self._waiting and self._calls < _MOST_CALLS - 1:
            self._send()

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


def _checked(tasks: Sequence[Task], receipts: Sequence[Receipt]) -> Sequence[Receipt]:
    if len(receipts) != len(tasks):  # handed out in order, the missing ones would be somebody else's
        raise RuntimeError(f"the bus gave {len(receipts)} receipts for {len(tasks)} tasks")
    return receipts


def _refuse(together: Sequence[_Caller], error: Exception) -> None:
    for _, answer in together:
        if not answer.done():
            answer.set_exception(error)
