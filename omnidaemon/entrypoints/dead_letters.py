"""Dead letters, the runs that failed for good and wait for somebody to decide: choosing them, and dealing with them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import attrs

from omnidaemon.app.steps import LONGEST_SECONDS, MOST_TASKS, USUAL_TASKS
from omnidaemon.domain.errors import Conflict, InvalidInput, InvalidValue, NotFound
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.operations import Operations

_PAGE: Final = 100


@attrs.define(slots=False)
class NoDeadLetter(NotFound):
    """A task is not known on this topic, or none of its runs is dead."""

    task_id: str
    topic: str

    def __str__(self) -> str:
        return (
            f"no dead letter {self.task_id!r} on topic {self.topic!r}; "
            f"`omni dlq list {self.topic}` shows those there are"
        )


class NoChoice(InvalidInput):
    """Neither some dead letters nor all of them were named, or both."""

    def __str__(self) -> str:
        return "name dead letters by their ids, or all of them"


@attrs.frozen(kw_only=True)
class BulkFailure:
    """A run that could not be dealt with, since it has changed meanwhile."""

    run: TaskResult
    error: NotFound | Conflict


@attrs.frozen(kw_only=True)
class BulkResult:
    """What came of a command upon several dead letters: the runs it was done to, and those that it was not, each with
    the reason. `cursor` is where to go on with the rest of all, None when that was all."""

    done: tuple[TaskResult, ...]
    failed: tuple[BulkFailure, ...]
    cursor: str | None = None


def dead_runs(task: TaskResult) -> list[TaskResult]:
    """Those of its runs that are dead."""
    return [run for run in task.runs if run.status is Status.DEAD]


async def requeue(
    client: Operations,
    topic: str,
    task_ids: Sequence[str],
    *,
    is_all: bool,
    cursor: str | None = None,
    limit: int | None = None,
) -> BulkResult:
    """Run dead letters again, from their first attempt on: those named, or all of the topic.

    Of all, those of up to `limit` tasks (500 unless given, 1,000 at most), the newest first, from `cursor` on, and of
    fewer where the store is slow: the answer's cursor goes on with the rest. Following the cursors meets each task
    once, also where requeued ones die again meanwhile.

    Raises `NoDeadLetter`, `NoChoice` and `InvalidValue`, before anything is done.
    """

    async def requeue_one(run: TaskResult) -> None:
        # Whether it is still dead is for the store to say: somebody may have requeued it since it was read.
        await client.requeue_task(run.task_id, run.agent, only_dead=True)

    return await _apply(client, topic, task_ids, requeue_one, is_all=is_all, cursor=cursor, limit=limit)


async def purge(
    client: Operations,
    topic: str,
    task_ids: Sequence[str],
    *,
    is_all: bool,
    cursor: str | None = None,
    limit: int | None = None,
) -> BulkResult:
    """Remove dead letters for good, likewise. What other agents made of the same task stays."""

    async def purge_one(run: TaskResult) -> None:
        await client.delete_task(run.task_id, run.agent, only_dead=True)  # as above

    return await _apply(client, topic, task_ids, purge_one, is_all=is_all, cursor=cursor, limit=limit)


_Act = Callable[[TaskResult], Awaitable[None]]


async def _apply(
    client: Operations,
    topic: str,
    task_ids: Sequence[str],
    act: _Act,
    *,
    is_all: bool,
    cursor: str | None,
    limit: int | None,
) -> BulkResult:
    if is_all == bool(task_ids):
        raise NoChoice
    if is_all:
        return await _apply_to_all(client, topic, act, cursor, USUAL_TASKS if limit is None else limit)
    for name, value in (("cursor", cursor), ("limit", limit)):
        if value is not None:
            raise InvalidValue(name, value, "none where dead letters are named")
    return await _each(await _named(client, topic, task_ids), act)


async def _named(client: Operations, topic: str, task_ids: Sequence[str]) -> list[TaskResult]:
    """The tasks meant, all of them read before any is touched."""
    chosen: list[TaskResult] = []
    for task_id in dict.fromkeys(task_ids):
        task = await client.get_result(task_id)
        if task is None or task.topic != topic or not dead_runs(task):
            raise NoDeadLetter(task_id, topic)
        chosen.append(task)
    return chosen


async def _apply_to_all(client: Operations, topic: str, act: _Act, cursor: str | None, limit: int) -> BulkResult:
    if not 1 <= limit <= MOST_TASKS:
        raise InvalidValue("limit", limit, f"a number from 1 to {MOST_TASKS}")
    ends_at = time.monotonic() + LONGEST_SECONDS
    result = BulkResult(done=(), failed=())
    while True:
        page = await client.list_tasks(status=Status.DEAD, topic=topic, limit=min(limit, _PAGE), cursor=cursor)
        step = await _each(page.results, act)
        cursor, limit = page.cursor, limit - len(page.results)
        result = BulkResult(done=result.done + step.done, failed=result.failed + step.failed, cursor=cursor)
        if cursor is None or limit <= 0 or time.monotonic() >= ends_at:
            return result


async def _each(tasks: Sequence[TaskResult], act: _Act) -> BulkResult:
    """Do it to every dead run; one that cannot be done, since it has changed meanwhile, keeps none of the others.
    A store that is away does: asked again, the rest is done."""
    done: list[TaskResult] = []
    failed: list[BulkFailure] = []
    for run in (run for task in tasks for run in dead_runs(task)):
        try:
            await act(run)
        except (NotFound, Conflict) as error:
            failed.append(BulkFailure(run=run, error=error))
        else:
            done.append(run)
    return BulkResult(done=tuple(done), failed=tuple(failed))
