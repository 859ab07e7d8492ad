"""What a task does while somebody waits for it: each change of its runs in a few words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.cli.screen import Tell
from omnidaemon.entrypoints.cli.task_views import next_attempt_text
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.operations import Operations
from omnidaemon.entrypoints.safe_text import one_line

_LOOK_SECONDS = 1.0
_LONGEST_ERROR = 100


@contextlib.asynccontextmanager
async def told_meanwhile(tell: Tell, client: Operations, task_id: str, agent: str | None) -> AsyncIterator[None]:
    """While this lasts, `tell` hears each second how the task fares: how often it was tried, and when it is again."""
    telling = asyncio.create_task(_telling(tell, client, task_id, agent))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _telling(tell: Tell, client: Operations, task_id: str, agent: str | None) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(OmniDaemonError):  # whoever waits meets it too, and says so
            found = await client.get_result(task_id, agent)
            if found is not None:
                tell(_step(found), progress_text(found, datetime.now(UTC)))


def _step(found: TaskResult) -> object:
    """What is another when there is something new to say."""
    return tuple((run.agent, run.status, run.attempts) for run in found.runs or (found,))


def progress_text(found: TaskResult, now: datetime) -> str:
    """What there is to say of the runs that have not ended; "" of a task that has, or that goes its usual way: it
    waits for its turn, or runs for the first time."""
    runs = found.runs or (found,)
    told = ((run, _told(run, now)) for run in runs)
    return "; ".join(f"{run.agent}: {text}" if len(runs) > 1 else text for run, text in told if text)


def ended_text(run: TaskResult) -> str:
    """What one agent's ended run came to, in a line."""
    outcome = summary(run.error.headline if run.error else run.result).for_people
    return f"{run.agent} {run.status}{f': {outcome}' if outcome else ''}"


def _told(run: TaskResult, now: datetime) -> str:
    match run.status:
        case Status.SCHEDULED | Status.RETRYING:
            failed = ""
            if run.error is not None:
                failed = f"attempt {run.attempts} failed: {one_line(run.error.headline, _LONGEST_ERROR)}"
            return "; ".join(filter(None, (failed, next_attempt_text(run, now))))
        case Status.RUNNING if run.attempts > 1:
            return f"attempt {run.attempts} runs"
        case _:
            return ""
