"""The calls that wait for the writer: put in from any thread, taken out urgent ones first, answered on their own
loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import apsw
import attrs

from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.faults import not_open


@attrs.define(kw_only=True, eq=False)
class Call:
    """One piece of work, and the future of the coroutine that awaits it."""

    work: Callable[[apsw.Cursor], Any]
    is_durable: bool
    is_urgent: bool
    rings: Ring | Callable[[Any], Ring]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    @property
    def ring(self) -> Ring:
        """Who shall hear of it, now that it is committed."""
        if self.error is not None:
            return Ring.NOBODY
        return self.rings if isinstance(self.rings, Ring) else self.rings(self.result)


class PendingCalls:
    """The line before the writer.

    It needs no bound: each call has a coroutine that waits for it, so whoever bounds those bounds this. A call whose
    coroutine was cancelled before its turn is left out.
    """

    def __init__(self, path: Path) -> None:
        """Name the database's file for the errors."""
        self._path = path
        self._guard = threading.Lock()
        self._is_closed = False
        self._arrivals: SimpleQueue[Call | None] = SimpleQueue()
        # The rest belongs to the writer's thread.
        self._urgent: deque[Call] = deque()
        self._ordinary: deque[Call] = deque()
        self._is_at_end = False

    def add(self, call: Call) -> None:
        """Line up, from any thread; `BackendUnavailable` once the line is closed."""
        with self._guard:  # nothing may come in behind the end
            if self._is_closed:
                raise not_open(self._path)
            self._arrivals.put(call)

    def close(self) -> None:
        """Let nobody else in; those who are in line are still served."""
        with self._guard:
            if not self._is_closed:
                self._is_closed = True
                self._arrivals.put(None)

    def wait(self) -> bool:
        """Wait until there is a call; False when there will be none any more."""
        while not (self._urgent or self._ordinary or self._is_at_end):
            self._admit(self._arrivals.get())
        return bool(self._urgent or self._ordinary)

    def take(self, limit: int) -> list[Call]:
        """Take up to `limit` of the calls that are there now: the urgent ones, then the others, each in order."""
        for _ in range(self._arrivals.qsize()):
            self._admit(self._arrivals.get())
        taken: list[Call] = []
        for line in (self._urgent, self._ordinary):
            while line and len(taken) < limit:
                call = line.popleft()
                if not call.future.cancelled():
                    taken.append(call)
        return taken

    def give_back(self, calls: Sequence[Call]) -> None:
        """Put calls that were taken, but not served, at the head of the line again."""
        for call in reversed(calls):
            (self._urgent if call.is_urgent else self._ordinary).appendleft(call)

    def rest(self) -> list[Call]:
        """Take all that are left, of a closed line."""
        left: list[Call] = []
        while calls := self.take(self._arrivals.qsize() + len(self._urgent) + len(self._ordinary)):
            left += calls
        return left

    def _admit(self, call: Call | None) -> None:
        if call is None:
            self._is_at_end = True
        else:
            (self._urgent if call.is_urgent else self._ordinary).append(call)


def answer(calls: Iterable[Call]) -> None:
    """Hand each call's result or error to its coroutine, by one wake-up for each event loop."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Call]] = defaultdict(list)
    for call in calls:
        by_loop[call.loop].append(call)
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # that loop has been closed, and nobody waits there any more
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(calls: Iterable[Call]) -> None:
    for call in calls:
        if call.future.done():  # cancelled in the meantime
            continue
        if call.error is None:
            call.future.set_result(call.result)
        else:
            call.future.set_exception(call.error)
