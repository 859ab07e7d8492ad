"""Dead letters, the runs that failed for good and wait for somebody to decide: choosing them, and dealing with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs

from omnidaemon.domain.errors import Conflict, InvalidInput, NotFound
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.operations import Operations

_PAGE = 500


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
    the reason."""

    done: tuple[TaskResult, ...]
    failed: tuple[BulkFailure, ...]


def dead_runs(task: TaskResult) -> list[TaskResult]:
    """Those of its runs that are dead."""
    return [run for run in task.runs if run.status is Status.DEAD]


async def requeue(client: Operations, topic: str, task_ids: Sequence[str], *, is_all: bool) -> BulkResult:
    """Run dead letters again, from their first attempt on: those named, or all of the topic.

    Raises `NoDeadLetter` and `NoChoice`, before anything is done.
    """

    async def requeue_one(run: TaskResult) -> None:
        await client.requeue_task(run.task_id, run.agent)

    return await _each(await _chosen(client, topic, task_ids, is_all=is_all), requeue_one)


async def purge(client: Operations, topic: str, task_ids: Sequence[str], *, is_all: bool) -> BulkResult:
    """Remove dead letters for good, likewise. What other agents made of the same task stays."""

    async def purge_one(run: TaskResult) -> None:
        # Whether it is still dead is for the store to say: somebody may have requeued it since it was read.
        await client.delete_task(run.task_id, run.agent, only_dead=True)

    return await _each(await _chosen(client, topic, task_ids, is_all=is_all), purge_one)


async def _chosen(client: Operations, topic: str, task_ids: Sequence[str], *, is_all: bool) -> list[TaskResult]:
    """The tasks meant, all of them read before any is touched."""
    if is_all == bool(task_ids):
        raise NoChoice
    if is_all:
        return await _all_of(client, topic)
    chosen: list[TaskResult] = []
    for task_id in dict.fromkeys(task_ids):
        task = await client.get_result(task_id)
        if task is None or task.topic != topic or not dead_runs(task):
            raise NoDeadLetter(task_id, topic)
        chosen.append(task)
    return chosen


async def _all_of(client: Operations, topic: str) -> list[TaskResult]:
    found: list[TaskResult] = []
    cursor: str | None = None
    while True:
        page = await client.list_tasks(status=Status.DEAD, topic=topic, limit=_PAGE, cursor=cursor)
        found += page.results
        cursor = page.cursor
        if cursor is None:
            return found


async def _each(tasks: Sequence[TaskResult], act: Callable[[TaskResult], Awaitable[None]]) -> BulkResult:
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
