"""A worker in this process: agents on the caller's loop, the engine on a thread and a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TypeVar

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report
from omnidaemon.app.context import PublishFrom
from omnidaemon.app.engine import Engine, EngineOptions
from omnidaemon.app.executor import Executor
from omnidaemon.bootstrap.container import Container
from omnidaemon.domain.names import Subscription

T = TypeVar("T")


class Worker:
    """Start it on the loop that the agents shall run on. Used once: a new incarnation is a new worker. `left` is set,
    whatever the agents' loop does, once the engine has left."""

    def __init__(self, container: Container, agents: Mapping[Subscription, Agent], publish: PublishFrom) -> None:
        self._container = container
        self._agents = agents
        self._publish = publish
        self._executor: Executor | None = None
        self._engine: Engine | None = None
        self._engine_loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._finished: asyncio.Future[int] | None = None
        self.left = threading.Event()

    async def start(self) -> None:
        """Return once the engine is ready. Raises what keeps it from starting; nothing is left behind then."""
        settings = self._container.settings()
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        self._finished = loop.create_future()
        self._executor = Executor(
            codec=self._container.codec(),
            telemetry=self._container.telemetry(),
            publish=self._publish,
            result_max_bytes=settings.result_max_bytes,
            threads=sum(a.profile.concurrency for a in self._agents.values() if not a.is_async),
        )
        threading.Thread(
            target=self._run_engine, args=(loop, ready, self._finished), name="omnidaemon-engine", daemon=True
        ).start()
        await ready

    async def wait(self) -> int:
        """Return once the engine has left: how many runs it gave back unfinished. Raises what ended it otherwise."""
        assert self._finished is not None
        return await asyncio.shield(self._finished)

    def request_stop(self) -> None:
        """Begin to drain; at a second call, give back at once what still runs. From any thread or signal handler."""
        loop = self._engine_loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the engine has left already
                loop.call_soon_threadsafe(self._stop_or_hurry)

    def _stop_or_hurry(self) -> None:
        assert self._stopping is not None
        if self._stopping.is_set() and self._engine is not None:
            self._engine.release_now()
        self._stopping.set()

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back unfinished."""
        self.request_stop()
        try:
            return await self.wait()
        finally:
            self.close()

    def close(self) -> bool:
        """Let go of the agents' threads; whether all of them were free."""
        return self._executor is None or self._executor.close()

    # --- on the engine's thread ---------------------------------------------------------------------------------------

    def _run_engine(
        self, agents_loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None], finished: asyncio.Future[int]
    ) -> None:
        try:
            given_back = asyncio.run(self._serve(agents_loop, ready))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: the caller's loop gets to hear of it
            self._tell(agents_loop, lambda: _fail(finished if ready.done() else ready, error))
        else:
            self._tell(agents_loop, lambda: _resolve(finished, given_back))
        finally:
            self.left.set()

    async def _serve(self, agents_loop: asyncio.AbstractEventLoop, ready: asyncio.Future[None]) -> int:
        assert self._executor is not None
        self._engine_loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        settings = self._container.settings()
        async with self._container.runtime() as runtime:
            self._engine = engine = Engine(
                bus=runtime.bus,
                storage=runtime.storage,
                agents=self._agents,
                workforce=self._executor,
                culprit=self._executor.culprit,
                agents_loop=agents_loop,
                clock=self._container.clock(),
                telemetry=self._container.telemetry(),
                options=EngineOptions(
                    incarnation=self._container.ids().new_id(),
                    version=version("omnidaemon"),
                    drain_seconds=settings.drain_seconds,
                    keep=settings.result_ttl,
                    keep_dead=settings.dead_letter_ttl,
                ),
            )
            self._executor.on_reports(self._take_reports)
            await engine.start()
            self._tell(agents_loop, lambda: _resolve(ready, None))
            await self._stopping.wait()
            return await engine.stop()

    def _take_reports(self, reports: list[Report]) -> None:
        """From the agents' loop to the engine's."""
        assert self._engine is not None
        assert self._engine_loop is not None
        with contextlib.suppress(RuntimeError):  # the engine has left: what it gave back is somebody else's now
            self._engine_loop.call_soon_threadsafe(self._engine.take_reports, reports)

    @staticmethod
    def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
            loop.call_soon_threadsafe(call)


def _resolve(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[int] | asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
