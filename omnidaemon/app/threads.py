"""Threads for handlers that block: one for each call under way, used again when it returns."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class ThreadsClosed(RuntimeError):
    """No call is taken any more."""

    def __str__(self) -> str:
        return "the threads of this worker are closed"


class HandlerThreads:
    """Begins a thread whenever none is idle, up to `most`; beyond that a call waits for one. Usable from any thread.

    They are daemon threads: one that a handler never lets go of does not keep the process from ending.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._count = 0
        self._idle = 0
        self._is_closed = False

    @property
    def busy(self) -> int:
        """How many threads a call holds just now."""
        with self._changed:
            return self._count - self._idle

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have this called in a thread. Raises `ThreadsClosed`, or what keeps the first thread from being begun."""
        future: Future[Any] = Future()
        with self._changed:
            if self._is_closed:
                raise ThreadsClosed
            self._waiting.append((future, call))
            if self._idle < len(self._waiting) and self._count < self._most:
                self._begin_thread()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Take no more; what waits for a thread is cancelled, what runs goes on."""
        with self._changed:
            self._is_closed = True
            dropped = [future for future, _ in self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        for future in dropped:
            future.cancel()

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"omnidaemon-agent-{self._count}", daemon=True)
        self._count += 1
        self._idle += 1  # until it has taken its first call
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: the call waits for one of those that are there
            self._count -= 1
            self._idle -= 1
            if not self._count:
                self._waiting.pop()
                raise

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            future, call = taken
            if future.set_running_or_notify_cancel():
                value, error = None, None
                try:
                    value = call()
                except BaseException as raised:  # noqa: BLE001 - whoever waits for it gets to hear of it
                    error = raised
                self._is_free()
                future.set_result(value) if error is None else future.set_exception(error)
                del value, error
            else:
                self._is_free()
            del taken, future, call  # an idle thread holds on to nothing of the last call

    def _is_free(self) -> None:
        """Told before the call's end is: whoever learns of that finds the thread idle."""
        with self._changed:
            self._idle += 1

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            self._idle -= 1
            with contextlib.suppress(IndexError):
                return self._waiting.popleft()
            self._count -= 1
            return None
