"""Running agents as a process: signals, start, drain, exit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from loguru import logger

from omnidaemon.entrypoints import loading
from omnidaemon.entrypoints.logs import configure_logs

if TYPE_CHECKING:
    from omnidaemon.bootstrap.worker import Worker
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

_EXIT_PATIENCE_SECONDS = 3.0


def run_sdks(sdks: Sequence[OmniDaemonSDK], on_ready: Callable[[], object] | None = None) -> None:
    """Run the agents of these SDKs until SIGTERM or Ctrl-C: the first drains, a second one gives back what still runs.

    `on_ready` is called once all of them take tasks. While `omni run` imports a file, a call from that file only marks
    the SDK: the command runs it afterwards.
    """
    if loading.is_under_way():
        return
    configure_logs(sdks[0].settings.log_level)
    asyncio.run(_Serving(sdks, on_ready).serve())


class _Serving:
    """One process's run. Signal handlers are plain ones, not the loop's: an agent that blocks the loop must not keep
    the process from draining."""

    def __init__(self, sdks: Sequence[OmniDaemonSDK], on_ready: Callable[[], object] | None) -> None:
        self._sdks = sdks
        self._on_ready = on_ready
        self._signals = 0
        self._started: list[OmniDaemonSDK] = []

    async def serve(self) -> None:
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            await self._start()
            if self._on_ready is not None:
                self._on_ready()
            workers = [sdk.worker for sdk in self._started if sdk.worker is not None]
            if self._signals:
                self._stop(workers)
            await asyncio.gather(*(worker.wait() for worker in workers))
        finally:
            for sdk in reversed(self._started):
                await sdk.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        logger.info("stopped")

    async def _start(self) -> None:
        for sdk in self._sdks:
            settings = sdk.settings
            await sdk.start()
            self._started.append(sdk)
            logger.info(
                f"bus {settings.event_bus_type}, store {settings.result_store_type}, data in {settings.data_dir}"
            )
            for agent in sdk.registration.agents.values():
                logger.info(f"agent {agent.profile.subscription.agent} listens on {agent.profile.subscription.topic}")
            for note in (await sdk.health()).notes:
                logger.warning(note)
        logger.info(f"ready (process {os.getpid()}); stop with Ctrl-C")

    def _on_signal(self, number: int, _frame: types.FrameType | None) -> None:
        """Runs between two steps of whatever the main thread does, so it only passes the word on."""
        self._signals += 1
        # Written plainly: the interrupted code may hold the logger's lock.
        word = "draining; again to stop at once" if self._signals == 1 else "giving back what still runs"
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), f"{signal.Signals(number).name}: {word}\n".encode())
        workers = [sdk.worker for sdk in self._started if sdk.worker is not None]
        if workers:
            self._stop(workers)

    def _stop(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.request_stop()
        if self._signals <= 1:
            threading.Thread(target=_leave_when_done, args=(workers,), name="omnidaemon-exit", daemon=True).start()


def _leave_when_done(workers: Sequence[Worker]) -> None:
    """End the process once its engines have left, even when a handler never returns: its run has been given back."""
    for worker in workers:
        worker.left.wait()
    threading.Event().wait(_EXIT_PATIENCE_SECONDS)
    os.write(sys.stderr.fileno(), b"a handler does not return; its task was given back\n")
    os._exit(0)
