"""Running agents as a process: signals, start, drain, exit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import types
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loguru import logger

from omnidaemon.domain.errors import AgentFileError, BackendUnavailable
from omnidaemon.entrypoints.blocking import refuse_beside_the_main_thread, refuse_on_loop
from omnidaemon.entrypoints.exit_watch import ExitWatch
from omnidaemon.entrypoints.importing import is_importing
from omnidaemon.entrypoints.logs import configure_logs
from omnidaemon.entrypoints.registration import NO_AGENTS

if TYPE_CHECKING:
    from omnidaemon.bootstrap.sidecars import Sidecar
    from omnidaemon.bootstrap.worker import Worker
    from omnidaemon.entrypoints.http.serve_options import ServeOptions
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK


def run_sdks(
    sdks: Sequence[OmniDaemonSDK],
    on_ready: Callable[[], object] | None = None,
    on_drained: Callable[[], object] | None = None,
    api: ServeOptions | None = None,
    unsaid: Collection[str] = (),
) -> None:
    """Run the agents of these SDKs until SIGTERM or Ctrl-C: the first drains, a second one gives back what still runs.
    Also until somebody wants their workers drained, and they have left.

    `on_ready` is called once all of them take tasks, `on_drained` once they have left without a signal. `api` says
    whether the HTTP API is served, of the first SDK. A bus or a store that is away is waited for; meanwhile the API
    says so. `unsaid` is what is not told, since another process tells it: `agents`, their list at the start, or
    a signal by its name. While `omni run` imports a file, a call from that file only marks the SDK: the command runs it
    afterwards.
    Raises what ended a worker or the API otherwise; before anything is begun `BlockingCall` on a thread that runs an
    event loop, `NotMainThread` on one that gets no signals, and `AgentFileError` where there are neither agents nor an
    API.
    """
    if is_importing():
        return
    refuse_on_loop("sdk.run()", "use `async with sdk` here")
    refuse_beside_the_main_thread("sdk.run()", "call it there, or run a loop here that does `async with sdk`")
    configure_logs(sdks[0].settings.log_level)
    listener = None if api is None else api.opened(sdks[0].settings)
    sidecars: list[Sidecar] = []
    if listener is None:
        _refuse_idling(sdks)
    else:
        from omnidaemon.entrypoints.http.server import serving as serving_api  # noqa: PLC0415 - brings FastAPI along

        # Before the start: from then on it depends on the engine's loop alone.
        sidecars.append(sdks[0].sidecars.hand_over(serving_api(sdks[0], listener)))
    watch = ExitWatch()
    try:
        serving = _Serving(sdks, on_ready, watch, sidecars, unsaid)
        asyncio.run(serving.serve())
        if on_drained is not None and not serving.was_told:
            on_drained()
    finally:
        watch.over()
        if listener is not None:
            listener.close()


def _refuse_idling(sdks: Sequence[OmniDaemonSDK]) -> None:
    """Without agents it would say that it is ready, and never do anything."""
    if not any(sdk.registration.agents for sdk in sdks):
        raise AgentFileError(sys.argv[0] or "sdk.run()", NO_AGENTS)


class _Serving:
    """One process's run. Signal handlers are plain ones, not the loop's: an agent that blocks the loop must not keep
    the process from draining."""

    def __init__(
        self,
        sdks: Sequence[OmniDaemonSDK],
        on_ready: Callable[[], object] | None,
        watch: ExitWatch,
        sidecars: Sequence[Sidecar],
        unsaid: Collection[str],
    ) -> None:
        self._sdks = sdks
        self._unsaid = unsaid
        self._sidecars = sidecars
        self._on_ready = on_ready
        self._watch = watch
        self._signals = 0
        self._told: dict[Worker, int] = {}
        self._cancel_start: Callable[[], object] | None = None

    @property
    def was_told(self) -> bool:
        """Whether a signal has come."""
        return self._signals > 0

    async def serve(self) -> None:
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            async with contextlib.AsyncExitStack() as stack:
                if await self._has_started(stack):
                    self._watch.begin(self._workers())
                    with _settled_memory():
                        await self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._watch.serving_is_over()
        logger.info("stopped")

    async def _has_started(self, stack: contextlib.AsyncExitStack) -> bool:
        """Whether all of them are ready; not when a signal came first. `stack` stops those that were started."""
        starting = asyncio.create_task(self._start(stack))
        loop = asyncio.get_running_loop()
        self._cancel_start = lambda: loop.call_soon_threadsafe(starting.cancel)
        if self._signals:
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            if not self._signals:
                raise
            return False
        self._cancel_start = None  # no signal is lost: those that came meanwhile are passed on by _run()
        return True

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        for sdk in self._sdks:
            await sdk.start(wait_for_backends=True)
            self._workers()  # its SDK forgets it when it is stopped; signals shall reach it also then
            stack.push_async_callback(sdk.stop)
            place, notes = await _backends_of(sdk)
            logger.info(place)
            for agent in () if "agents" in self._unsaid else sdk.registration.agents.values():
                logger.info(f"agent {agent.profile.subscription.agent} listens on {agent.profile.subscription.topic}")
            for note in notes:
                logger.warning(note)
        logger.info(f"ready (process {os.getpid()}); stop with Ctrl-C")

    async def _run(self) -> None:
        """Return once all engines have left; when one fails, or what is done beside, all others are told to drain."""
        workers = self._workers()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(worker.wait()) for worker in workers]
        waits += [asyncio.ensure_future(sidecar.wait()) for sidecar in self._sidecars]
        try:
            if self._on_ready is not None:
                self._on_ready()
            self._tell()
            await asyncio.gather(*waits)
        except BaseException:
            for worker in workers:
                worker.drain()
            raise
        finally:
            await asyncio.wait(waits)
            self._watch.loop_is_free()

    # --- signals ------------------------------------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: types.FrameType | None) -> None:
        """Runs between two steps of whatever the main thread does, so it only passes the word on."""
        self._signals += 1
        name = signal.Signals(number).name
        if name not in self._unsaid:
            # Written plainly: the interrupted code may hold the logger's lock.
            with contextlib.suppress(OSError):
                os.write(sys.stderr.fileno(), f"{name}: {self._word()}\n".encode())
        self._tell()
        if self._is_too_much():
            os._exit(1)
        if self._cancel_start is not None:
            self._cancel_start()

    def _is_too_much(self) -> bool:
        """A worker that runs is told twice; a further signal is for a hook that hangs, at the start or at the end."""
        workers = self._workers()
        is_for_hooks = self._cancel_start is not None or all(worker.left.is_set() for worker in workers)
        return is_for_hooks and self._signals > (2 if workers else 1)

    def _word(self) -> str:
        if self._is_too_much():
            return "ending at once"
        if self._signals > 1:
            return "giving back what still runs"
        return "draining; again to stop at once" if self._workers() else "not starting; again to end at once"

    def _tell(self) -> None:
        """Pass each signal to each worker once."""
        for worker in self._workers():
            heard, self._told[worker] = self._told[worker], self._signals
            for _ in range(heard, self._signals):
                worker.request_stop()

    def _workers(self) -> Sequence[Worker]:
        """All that have or had an engine. One may have it before its start() has returned: an agent that blocks the
        loop with its first task keeps it from that."""
        for sdk in self._sdks:
            if sdk.worker is not None and sdk.worker.has_begun:
                self._told.setdefault(sdk.worker, 0)
        return tuple(self._told)


@contextlib.contextmanager
def _settled_memory() -> Iterator[None]:
    """What is there by now, modules above all, stays as long as this process works: the garbage collector need not look
    through it again and again, which was a tenth of what a task cost."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _backends_of(sdk: OmniDaemonSDK) -> tuple[str, Sequence[str]]:
    """Where it works, and what a person should know of that."""
    try:
        return (await sdk.runtime()).place, (await sdk.health()).notes
    except BackendUnavailable as error:  # away again already: the worker waits for it, as at any other time
        return "bus or store is away", [str(error)]
