"""Calls that block refuse to do so on a thread that runs an event loop: they would stop it."""

from __future__ import annotations

import asyncio

from omnidaemon.domain.errors import BlockingCall


def refuse_on_loop(call: str, instead: str) -> None:
    """Raise `BlockingCall` when this thread runs an event loop; `instead` is what to write there."""
    if _runs_loop():
        raise BlockingCall(call, instead)


def _runs_loop() -> bool:
    # A function of its own: what is raised inside of the `except` would carry its error along.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
