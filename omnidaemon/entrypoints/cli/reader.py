"""Whoever reads the output of a command that goes on: it ends with them, also while there is nothing to say."""

from __future__ import annotations

import asyncio
import io
import select
import stat
import sys
from collections.abc import Coroutine
from os import fstat
from typing import Any

_LOOK_SECONDS = 0.5


async def while_somebody_reads(work: Coroutine[Any, Any, None]) -> None:
    """Do it; `BrokenPipeError` once stdout is a pipe that nobody reads any more."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(_until_unread())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _until_unread() -> None:
    """Raise once the other end of stdout is closed; where that cannot be known, wait for ever."""
    try:
        descriptor = sys.stdout.fileno()
    except (io.UnsupportedOperation, ValueError):
        descriptor = -1
    if descriptor < 0 or not stat.S_ISFIFO(fstat(descriptor).st_mode) or not hasattr(select, "poll"):
        await asyncio.Event().wait()
    poll = select.poll()
    poll.register(descriptor, 0)  # an error is told without being asked for
    while not poll.poll(0):  # noqa: ASYNC110 - the operating system sets no event of ours
        await asyncio.sleep(_LOOK_SECONDS)
    raise BrokenPipeError
