"""Sidecars: what the engine's loop does beside the engine, such as serving the HTTP API. They go on while an agent
blocks the agents' loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

from omnidaemon.bootstrap.runtime import Runtime
from omnidaemon.bootstrap.runtimes import Runtimes
from omnidaemon.domain.errors import OmniDaemonError

Work = Callable[[], Coroutine[Any, Any, None]]


class Sidecar:
    """Work that was handed over to the engine's loop. To be asked from any thread or loop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._has_begun: Future[bool] = Future()
        self._ended: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> asyncio.Task[None] | None:
        """Have the running loop do it, unless nobody wants it any more."""
        self._loop = asyncio.get_running_loop()
        if not self._ended.set_running_or_notify_cancel():
            return None
        self._task = self._loop.create_task(self._work(), name="omnidaemon-sidecar")
        self._task.add_done_callback(self._on_done)
        self._has_begun.set_result(True)
        return self._task

    def give_up(self) -> None:
        """End it before it has begun: there will be no engine."""
        if self._ended.set_running_or_notify_cancel():
            self._has_begun.set_result(False)
            self._ended.set_result(None)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def begun(self) -> bool:
        """Return True once it has begun, False once it is known that it never will."""
        return await asyncio.shield(asyncio.wrap_future(self._has_begun))

    async def wait(self) -> None:
        """Return when it has ended, by itself or with the engine; raise what it raises. Cancelled, this ends it, and
        waits until it has let go of everything."""
        ended = asyncio.wrap_future(self._ended)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            self._cancel()
            await asyncio.wait([ended])
            raise

    def _cancel(self) -> None:
        if not self._ended.cancel() and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended with it
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Sidecars:
    """Those of one SDK. What is handed over while there is no engine is begun with the next one, and given up when that
    cannot start; what runs when the engine leaves is cancelled, and waited for. Each finds the engine's runtime as its
    own.

    A worker is used once: from when its engine has left until it is forgotten, nothing is begun any more.
    """

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_left = False
        self._waiting: list[Sidecar] = []
        self._running: set[asyncio.Task[None]] = set()
        self._before_start: dict[asyncio.Task[None], asyncio.AbstractEventLoop] = {}
        self._lending = contextlib.ExitStack()

    def hand_over(self, work: Work) -> Sidecar:
        """Have it done on the engine's loop, as soon as there is one. From any thread."""
        sidecar = Sidecar(work)
        with self._lock:
            if not self._has_left:
                self._waiting.append(sidecar)
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._begin)
                return sidecar
        sidecar.give_up()
        return sidecar

    @contextlib.contextmanager
    def until_start(self, task: asyncio.Task[None]) -> Iterator[None]:
        """Have this task of the running loop cancelled when a worker's start begins: the loop may be the agents'
        then."""
        with self._lock:
            self._before_start[task] = asyncio.get_running_loop()
        try:
            yield
        finally:
            with self._lock:
                del self._before_start[task]

    async def start_begins(self) -> None:
        """Return once nothing goes on upon this loop that was to end now."""
        here = asyncio.get_running_loop()
        with self._lock:
            ending = [(task, loop) for task, loop in self._before_start.items() if not task.done()]
        for task, loop in ending:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(task.cancel)
        if own := [task for task, loop in ending if loop is here]:
            await asyncio.wait(own)

    @property
    def awaits_engine(self) -> bool:
        """Whether what is handed over has to wait for an engine."""
        return self._loop is None and not self._has_left

    def engine_has_left(self) -> None:
        """Give up what still waits: this worker's engine is not there any more, or has never been. From any thread."""
        self._give_up(has_left=True)

    def worker_is_forgotten(self) -> None:
        """From now on, wait for the next worker's engine."""
        self._give_up(has_left=False)

    def _give_up(self, *, has_left: bool) -> None:
        with self._lock:
            self._has_left = has_left
            waiting, self._waiting = self._waiting, []
        for sidecar in waiting:
            sidecar.give_up()

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[None]:
        """The time that the running loop is an engine's. Within it, begin() has the work go on, and lend() gives it the
        engine's runtime."""
        with contextlib.ExitStack() as self._lending:
            try:
                yield
            finally:
                with self._lock:
                    was_begun, self._loop = self._loop is not None, None
                if was_begun:
                    self._begin()  # what was handed over at the last moment shall end as the rest does
                for task in self._running:
                    task.cancel()
                if self._running:
                    await asyncio.wait(self._running)
        with contextlib.suppress(OmniDaemonError):  # it could not be opened
            await self._runtimes.close()  # what the work has opened before the engine's was there

    def begin(self) -> None:
        """Do here what was handed over, and what will be. Idempotent."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._begin()

    def lend(self, runtime: Runtime) -> None:
        """Have the work use this runtime from now on."""
        self._lending.enter_context(self._runtimes.lent(runtime))

    def _begin(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for sidecar in waiting:
            if (task := sidecar.begin()) is not None:
                self._running.add(task)
                task.add_done_callback(self._running.discard)
