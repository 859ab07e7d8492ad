"""The end of a process whose handlers hold on to it: they have been waited for, and what they run was given back."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnidaemon.bootstrap.worker import Worker

_PATIENCE_SECONDS = 3.0


class ExitWatch:
    """Watches from a thread, since a handler may block the agents' loop. Its patience counts only while handlers can
    be what the process waits for: people's shutdown hooks take the time that they take."""

    def __init__(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._is_loop_free = threading.Event()
        self._is_serving_over = threading.Event()
        self._is_over = threading.Event()

    def begin(self, workers: Sequence[Worker]) -> None:
        """Watch from when the engines of these have left."""
        threading.Thread(target=self._watch, args=(workers,), name="omnidaemon-exit", daemon=True).start()

    def loop_is_free(self) -> None:
        """The agents' loop has noticed that the engines have left."""
        self._is_loop_free.set()

    def serving_is_over(self) -> None:
        """All hooks have run; the agents' loop is about to be closed, once the handlers left on it are through."""
        self._is_serving_over.set()

    def over(self) -> None:
        """Nothing holds the process any more."""
        for each in (self._is_loop_free, self._is_serving_over, self._is_over):
            each.set()

    def _watch(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.left.wait()
        if not self._is_loop_free.wait(self._patience_seconds):
            _end()
        self._is_serving_over.wait()
        if not self._is_over.wait(self._patience_seconds):
            _end()


def _end() -> None:
    os.write(sys.stderr.fileno(), b"a handler does not return; its task was given back\n")
    os._exit(0)
