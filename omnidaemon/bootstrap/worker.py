"""A worker in this process: agents on the caller's loop, the engine on a thread and a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib.metadata import version

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report
from omnidaemon.app.context import PublishFrom
from omnidaemon.app.engine import Engine
from omnidaemon.app.executor import Executor
from omnidaemon.app.loops import EngineOptions
from omnidaemon.bootstrap.container import Container
from omnidaemon.domain.names import Subscription

_SWITCH_INTERVAL_SECONDS = 0.0002
"""How soon a thread that waits for the interpreter gets it. With Python's 5 ms, a loop of agents that never idles takes
it back before the engine or a store's writer has woken, and both starve for seconds (measured: 4 to 37 s for a write;
16 to 76 ms with this). It holds for the whole process, and is never lengthened."""


class Worker:
    """Start it on the loop that the agents shall run on. Used once: a new incarnation is a new worker. `left` is set,
    whatever the agents' loop does, once the engine has left."""

    def __init__(self, container: Container, agents: Mapping[Subscription, Agent], publish: PublishFrom) -> None:
        self.left = threading.Event()
        self._container = container
        self._agents = agents
        self._publish = publish
        self._ready: Future[None] = Future()
        self._finished: Future[int] = Future()
        self._pass_stop_on: Callable[[], object] = lambda: None
        self._close_executor: Callable[[], bool] = lambda: True

    async def start(self) -> None:
        """Return once the engine is ready. Raises what keeps it from starting; nothing is left behind then."""
        executor = Executor(
            codec=self._container.codec(),
            telemetry=self._container.telemetry(),
            publish=self._publish,
            result_max_bytes=self._container.settings().result_max_bytes,
            threads=sum(agent.profile.concurrency for agent in self._agents.values() if not agent.is_async),
        )
        self._close_executor = executor.close
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_SECONDS))
        threading.Thread(
            target=self._run_engine,
            args=(executor, asyncio.get_running_loop()),
            name="omnidaemon-engine",
            daemon=True,
        ).start()
        await asyncio.shield(asyncio.wrap_future(self._ready))

    async def wait(self) -> int:
        """Return once the engine has left: how many runs it gave back unfinished. Raises what ended it otherwise."""
        return await asyncio.shield(asyncio.wrap_future(self._finished))

    def request_stop(self) -> None:
        """Begin to drain; at a second call, give back at once what still runs. From any thread or signal handler."""
        with contextlib.suppress(RuntimeError):  # the engine's loop is closed: it has left already
            self._pass_stop_on()

    async def stop(self) -> int:
        """Drain and leave; how many runs were given back unfinished."""
        self.request_stop()
        try:
            return await self.wait()
        finally:
            self.close()

    def close(self) -> bool:
        """Let go of the agents' threads; whether all of them were free."""
        return self._close_executor()

    # --- on the engine's thread ---------------------------------------------------------------------------------------

    def _run_engine(self, executor: Executor, agents_loop: asyncio.AbstractEventLoop) -> None:
        try:
            given_back = asyncio.run(self._serve(executor, agents_loop))
        except BaseException as error:  # noqa: BLE001 - the thread's edge: who waits for it gets to hear of it
            failed = self._finished if self._ready.done() else self._ready
            failed.set_exception(error)
        else:
            self._finished.set_result(given_back)
        finally:
            self.left.set()

    async def _serve(self, executor: Executor, agents_loop: asyncio.AbstractEventLoop) -> int:
        async with self._container.runtime() as runtime:
            settings = runtime.settings
            engine = Engine(
                bus=runtime.bus,
                storage=runtime.storage,
                agents=self._agents,
                workforce=executor,
                culprit=executor.culprit,
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
            loop = asyncio.get_running_loop()
            stopping = asyncio.Event()

            def stop_or_hurry() -> None:
                if stopping.is_set():
                    engine.release_now()
                stopping.set()

            def take_reports(reports: list[Report]) -> None:
                with contextlib.suppress(RuntimeError):  # the engine has left: what it gave back is somebody else's
                    loop.call_soon_threadsafe(engine.take_reports, reports)

            executor.on_reports(take_reports)
            self._pass_stop_on = lambda: loop.call_soon_threadsafe(stop_or_hurry)
            await engine.start()
            self._ready.set_result(None)
            await stopping.wait()
            return await engine.stop()
