"""What a task does while somebody waits for it: each attempt that failed, and what is to come, in a few words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from itertools import count

from omnidaemon.domain.errors import OmniDaemonError, WaitTimedOut
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.cli.screen import Tell, note
from omnidaemon.entrypoints.cli.task_views import next_attempt_text
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.operations import Operations
from omnidaemon.entrypoints.safe_text import one_line
from omnidaemon.entrypoints.unheard import why_unended

_LOOK_SECONDS = 1.0
_LOOKS_FOR_WORKERS = 5
"""At every so many looks it is asked who lives: a worker is given up only after some seconds anyhow."""
_LONGEST_ERROR = 100
_MOST_AT_ONCE = 5
_BETWEEN_ATTEMPTS = frozenset({Status.SCHEDULED, Status.QUEUED, Status.RETRYING, Status.WAITING})


class Progress:
    """Tells of one task, or of one agent's run of it, while it is waited for. Each attempt that failed gets a line on
    stderr, however short it was, but for the one that ended the run: its error is part of the answer. That nobody lives
    who runs what is said to run gets a line, too. `tell` hears how the runs stand. `before` is how they stood when the
    waiting began, where that is known: what had failed by then is not told."""

    def __init__(
        self, tell: Tell, client: Operations, task_id: str, agent: str | None, before: TaskResult | None = None
    ) -> None:
        self._tell = tell
        self._client = client
        self._task_id = task_id
        self._agent = agent
        # How many failed attempts of an agent have been told. That for which it is tried again is news.
        self._told = {run.agent: _failed(run) - _is_between(run) for run in _runs(before)} if before else {}
        self._told_of_workers = ""

    async def result(self, timeout_seconds: float) -> TaskResult:
        """The result, once it is there; errors as of `wait_for_result`."""
        try:
            async with self._looking():
                result = await self._client.wait_for_result(self._task_id, timeout=timeout_seconds, agent=self._agent)
        except WaitTimedOut:
            await self._look()
            raise
        await self._tell_failed(result)
        return result

    @contextlib.asynccontextmanager
    async def _looking(self) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._look_again_and_again())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        for number in count(1):
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look(for_workers=number % _LOOKS_FOR_WORKERS == 0)

    async def _look(self, *, for_workers: bool = True) -> None:
        with contextlib.suppress(OmniDaemonError):  # whoever waits meets it too, and says so
            found = await self._client.get_result(self._task_id, self._agent)
            if found is not None:
                await self._tell_failed(found)
                self._tell(_step(found), progress_text(found, datetime.now(UTC)))
                if for_workers:
                    await self._tell_of_workers(found)

    async def _tell_of_workers(self, found: TaskResult) -> None:
        """Tell of those that are gone, once for each time that they are."""
        running = [run.agent for run in _runs(found) if run.status is Status.RUNNING]
        told = why_unended(found.topic, await self._client.list_agents(), running) if running else ""
        if told and told != self._told_of_workers:
            note(told)
        self._told_of_workers = told

    async def _tell_failed(self, found: TaskResult) -> None:
        """Tell of the attempts that failed since the last time. They are asked for only where there are some, so that
        a task that succeeds at once costs nothing more."""
        runs = _runs(found)
        if all(_failed(run) <= self._told.get(run.agent, 0) for run in runs):
            return
        with contextlib.suppress(OmniDaemonError):
            details = await self._client.get_task(self._task_id)
            for run in runs:
                errors = [error for agent, error in details.errors if agent == run.agent] if details else []
                told, failed = self._told.get(run.agent, 0), errors[:-1] if run.error and run.is_end else errors
                note(*failed_texts(failed[told:], f"{run.agent}: " if len(runs) > 1 else ""))
                self._told[run.agent] = len(failed)


def _runs(found: TaskResult) -> Sequence[TaskResult]:
    return found.runs or (found,)


def _failed(run: TaskResult) -> int:
    """How many attempts failed before the one that runs now, or that the run ended with."""
    return run.attempts if run.status in _BETWEEN_ATTEMPTS else run.attempts - 1


def _is_between(run: TaskResult) -> bool:
    """Whether an attempt of it failed, and another one is to come."""
    return run.status in _BETWEEN_ATTEMPTS and run.attempts > 0


def failed_texts(errors: Sequence[AttemptError], whose: str) -> list[str]:
    """A line for each failed attempt, the latest of them if they are many, after `whose` they are."""
    lines = [
        f"{whose}attempt {error.attempt} failed: {one_line(error.headline, _LONGEST_ERROR)}"
        for error in errors[-_MOST_AT_ONCE:]
    ]
    others = len(errors) - len(lines)
    return [f"{whose}{others} more failed before", *lines] if others else lines


def _step(found: TaskResult) -> object:
    """What is another when there is something new to say."""
    return tuple((run.agent, run.status, run.attempts) for run in _runs(found))


def progress_text(found: TaskResult, now: datetime) -> str:
    """What there is to say of the runs that have not ended; "" of a task that has, or that goes its usual way: it
    waits for its turn, or runs for the first time."""
    runs = _runs(found)
    standing = ((run, _standing(run, now)) for run in runs)
    return "; ".join(f"{run.agent}: {text}" if len(runs) > 1 else text for run, text in standing if text)


def _standing(run: TaskResult, now: datetime) -> str:
    match run.status:
        case Status.SCHEDULED | Status.RETRYING:
            return next_attempt_text(run, now)
        case Status.RUNNING if run.attempts > 1:
            return f"attempt {run.attempts} runs"
        case _:
            return ""


def ended_text(run: TaskResult) -> str:
    """What one agent's ended run came to, in a line."""
    outcome = summary(run.error.headline if run.error else run.result).for_people
    return f"{run.agent} {run.status}{f': {outcome}' if outcome else ''}"
