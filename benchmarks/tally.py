"""What a worker under measurement writes down by itself: how far it was at which time, at which cost.

Standard library only: it runs in every peer's environment. A line each `EVERY` tasks, so that the measuring costs the
peers less than a thousandth of a task.
"""

import asyncio
import itertools
import os
import struct
import threading
import time
from pathlib import Path

EVERY = 50
LINE = struct.Struct("<qqqq")
"""Tasks handled, nanoseconds of the system's steady clock, nanoseconds of this process's CPU, most handlers at once."""

FOLDER = "BENCH_TALLY"


class Tally:
    """One for each process. Handlers in threads may count too: a step of the counter is one step of the interpreter."""

    def __init__(self) -> None:
        self._steps = itertools.count(1)
        self._running = 0
        self._most = 0
        path = Path(os.environ[FOLDER]) / str(os.getpid())
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def count(self) -> None:
        """A task has been handled."""
        step = next(self._steps)
        if step % EVERY == 0:
            os.write(self._file, LINE.pack(step, time.monotonic_ns(), time.process_time_ns(), self._most))

    def enter(self) -> None:
        """A handler takes its time from now on."""
        self._running += 1
        self._most = max(self._most, self._running)

    def leave(self) -> None:
        """It is done."""
        self._running -= 1


_RESULT = "x" * int(os.environ.get("BENCH_RESULT_BYTES", "0"))
_tally: Tally | None = None
_making = threading.Lock()


def tally() -> Tally:
    """That of this process: some workers fork, and handlers in threads ask for the first time all at once."""
    global _tally  # noqa: PLW0603 - one for each process is what is meant
    if _tally is None:
        with _making:
            _tally = _tally or Tally()
    return _tally


async def handle(payload: dict) -> object:
    """The handler of every peer with coroutines."""
    if payload["seconds"]:
        tally().enter()
        await asyncio.sleep(payload["seconds"])
        tally().leave()
    tally().count()
    return _RESULT or payload["number"]


def handle_in_thread(payload: dict) -> int:
    """The handler of every other peer."""
    tally().count()
    return payload["number"]
