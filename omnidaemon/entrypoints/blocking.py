"""Where calls that block may not be made: on a thread that runs an event loop, which they would stop; and where they
would need what a thread has not."""

from __future__ import annotations

import asyncio
import threading

from omnidaemon.domain.errors import BlockingCall, NotMainThread


def refuse_on_loop(call: str, instead: str) -> None:
    """Raise `BlockingCall` when this thread runs an event loop; `instead` is what to write there."""
    if _runs_loop():
        raise BlockingCall(call, instead)


def refuse_beside_the_main_thread(call: str, instead: str) -> None:
    """Raise `NotMainThread` on any other thread; `instead` is what to do there."""
    if threading.current_thread() is not threading.main_thread():
        raise NotMainThread(call, instead)


def _runs_loop() -> bool:
    # A function of its own: what is raised inside of the `except` would carry its error along.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
