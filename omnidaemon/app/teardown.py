"""Tells what ends because the loop or the process does from what an agent did itself."""

from __future__ import annotations

import asyncio
import signal

from omnidaemon.app.attempt import Attempt


def is_torn_down(attempt: Attempt) -> bool:
    """Whether the running task was cancelled, and not by the engine."""
    task = asyncio.current_task()
    return attempt.reason is None and task is not None and task.cancelling() > 0


def is_of_the_process(loop: asyncio.AbstractEventLoop, attempt: Attempt, error: BaseException) -> bool:
    """Whether it says that the process or the loop ends. A handler that raises the like by itself has failed: given
    back uncounted, its task would end one worker after the other."""
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else Ctrl-C does not raise it
    is_being_closed = loop.is_closed() or asyncio.current_task(loop) is not attempt.task
    return isinstance(error, GeneratorExit) and is_being_closed
