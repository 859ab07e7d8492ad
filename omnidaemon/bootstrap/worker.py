"""A worker in this process: agents on the caller's loop, the engine on a thread and a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from functools import partial
from importlib.metadata import version
from typing import TypeVar

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report
from omnidaemon.app.context import PublishFrom
from omnidaemon.app.engine import Engine
from omnidaemon.app.executor import Executor
from omnidaemon.app.loops import EngineOptions
from omnidaemon.app.notifications import NotifyingTerms
from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.patience import once_there
from omnidaemon.bootstrap.runtime import Runtime
from omnidaemon.bootstrap.sidecars import Sidecars
from omnidaemon.bootstrap.switch_interval import shortened_switch_interval
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.reply_policy import ReplyPolicy
from omnidaemon.ports.notifier import Notifier

T = TypeVar("T")

_TELLING_ALL = ("TRACE", "DEBUG")
"""The levels at which somebody reads a line for each run; above them none is made."""


class Worker:
    """Start it on the loop that the agents shall run on. Used once: a new incarnation is a new worker. `left` is set,
    whatever the agents' loop does, once the engine has left and the agents' threads are let go of; `has_begun`: there
    is an engine that start() has begun. What was handed over to `sidecars` is done on the engine's loop.

    `is_patient`: while bus or store is away, start() waits for it, and what is done beside goes on meanwhile."""

    def __init__(
        self,
        container: Container,
        agents: Mapping[Subscription, Agent],
        publish: PublishFrom,
        sidecars: Sidecars,
        *,
        is_patient: bool = False,
    ) -> None:
        self.left = threading.Event()
        self._container = container
        self._agents = agents
        self._publish = publish
        self._sidecars = sidecars
        self._is_patient = is_patient
        self._ready: Future[None] = Future()
        self._finished: Future[int] = Future()
        self.has_begun = False
        self._is_asked = False
        self._stop_requests: deque[None] = deque()
        self._pass_requests_on: Callable[[], object] = lambda: None

    async def start(self) -> None:
        """Return once the engine is ready, or has left since it was asked to stop meanwhile. Raises what keeps it from
        starting; then as when it is cancelled, nothing is left behind."""
        executor = Executor(
            codec=self._container.codec(),
            telemetry=self._container.telemetry(),
            publish=self._publish,
            result_max_bytes=self._container.settings().result_max_bytes,
            threads=sum(agent.profile.concurrency for agent in self._agents.values() if not agent.is_async),
        )
        self.has_begun = True
        threading.Thread(
            target=self._run_engine,
            args=(executor, asyncio.get_running_loop()),
            name="omnidaemon-engine",
            daemon=True,
        ).start()
        try:
            await asyncio.shield(asyncio.wrap_future(self._ready))
        except BaseException:
            self.drain()
            with contextlib.suppress(Exception):  # what is raised is what kept it from starting
                await self.wait()
            raise

    async def wait(self) -> int:
        """Return once the engine has left: how many runs it gave back unfinished. Raises what ended it otherwise."""
        return await asyncio.shield(asyncio.wrap_future(self._finished))

    def request_stop(self) -> None:
        """Begin to drain; at a second call, give back at once what still runs. From any thread or signal handler, also
        before the engine can hear of it."""
        self._is_asked = True
        self._stop_requests.append(None)
        with contextlib.suppress(RuntimeError):  # the engine's loop is closed: it has left already
            self._pass_requests_on()

    def drain(self) -> None:
        """Begin to drain, unless it was asked to already."""
        if not self._is_asked:
            self.request_stop()

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back unfinished."""
        self.drain()
        return await self.wait() if self.has_begun else 0

    # --- on the engine's thread ---------------------------------------------------------------------------------------

    def _run_engine(self, executor: Executor, agents_loop: asyncio.AbstractEventLoop) -> None:
        given_back, failure = 0, None
        try:
            with (
                shortened_switch_interval(),
                contextlib.suppress(asyncio.CancelledError),
            ):  # stopped before it was ready
                given_back = asyncio.run(self._serve(executor, agents_loop))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: who waits for it gets to hear of it
            failure = error
        # Not before: attempts that wait for a thread would fail under an engine that still records.
        executor.close()
        self._sidecars.engine_has_left()
        self.left.set()
        if failure is None:
            self._finished.set_result(given_back)
        else:
            self._finished.set_exception(failure)
        if not self._ready.done():
            self._ready.set_result(None) if failure is None else self._ready.set_exception(failure)

    async def _serve(self, executor: Executor, agents_loop: asyncio.AbstractEventLoop) -> int:
        starting, loop = asyncio.current_task(), asyncio.get_running_loop()
        engine: Engine | None = None

        def hear() -> None:
            while self._stop_requests:
                self._stop_requests.popleft()
                if engine is not None and self._ready.done():
                    engine.request_stop()
                elif starting is not None and not starting.cancelling():
                    starting.cancel()

        self._pass_requests_on = lambda: loop.call_soon_threadsafe(hear)
        hear()
        async with contextlib.AsyncExitStack() as opened, self._sidecars.engine():
            begin = partial(self._begun, opened, executor, agents_loop)
            begun, runtime = await (self._once_there(begin) if self._is_patient else begin())
            engine = begun
            self._sidecars.lend(runtime)
            self._sidecars.begin()
            self._ready.set_result(None)
            await begun.asked_to_stop()
            return await begun.stop()

    async def _once_there(self, begin: Callable[[], Awaitable[T]]) -> T:
        return await once_there(begin, self._container.clock(), self._container.telemetry(), self._sidecars.begin)

    async def _begun(
        self, opened: contextlib.AsyncExitStack, executor: Executor, agents_loop: asyncio.AbstractEventLoop
    ) -> tuple[Engine, Runtime]:
        """An engine that is ready, and what it stands on, which `opened` will close. Where that fails, nothing is left
        behind, so that it may be tried again."""
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as opening:
            runtime = await opening.enter_async_context(self._container.runtime())
            notifier = await opening.enter_async_context(
                self._container.notifier(bus=runtime.bus.capabilities, storage=runtime.storage.capabilities)
            )
            engine = self._engine(runtime, notifier, executor, agents_loop)

            def take_reports(reports: list[Report]) -> None:
                with contextlib.suppress(RuntimeError):  # the engine has left: what it gave back is somebody else's
                    loop.call_soon_threadsafe(engine.take_reports, reports)

            executor.on_reports(take_reports)
            await engine.start()
            await opened.enter_async_context(opening.pop_all())
        return engine, runtime

    def _engine(
        self, runtime: Runtime, notifier: Notifier, executor: Executor, agents_loop: asyncio.AbstractEventLoop
    ) -> Engine:
        settings = runtime.settings
        return Engine(
            bus=runtime.bus,
            storage=runtime.storage,
            agents=self._agents,
            workforce=executor,
            culprit=executor.culprit,
            agents_loop=agents_loop,
            clock=self._container.clock(),
            telemetry=self._container.telemetry(),
            notifying=NotifyingTerms(
                notifier=notifier,
                codec=self._container.codec(),
                webhooks=self._container.webhook_policy(),
                replies=ReplyPolicy(hops_max=settings.reply_hops_max, payload_max_bytes=settings.payload_max_bytes),
            ),
            options=EngineOptions(
                incarnation=self._container.ids().new_id(),
                version=version("omnidaemon"),
                drain_seconds=settings.drain_seconds,
                keep=settings.result_ttl,
                keep_dead=settings.dead_letter_ttl,
                tells_ends=settings.log_level in _TELLING_ALL,
            ),
        )
