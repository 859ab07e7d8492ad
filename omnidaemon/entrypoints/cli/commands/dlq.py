"""`omni dlq`: dead letters, the runs that failed for good and wait for somebody to decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import NotFound, OmniDaemonError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import task_views
from omnidaemon.entrypoints.cli.commands.task import say_cursor
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Cursor, Json, Limit, TaskId, TaskTopic, Topic, WrongUse
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import Session, session
from omnidaemon.entrypoints.cli.views import Lines

_PAGE = 500
EveryDeadLetter = Annotated[bool, Parameter(name="--all", help="Every dead letter of the topic.")]


class NoDeadLetter(NotFound):
    """A task is not known on this topic, or none of its runs is dead."""

    def __init__(self, task_id: str, topic: str) -> None:
        super().__init__(
            f"no dead letter {task_id!r} on topic {topic!r}; `omni dlq list {topic}` shows those there are"
        )


async def list_(topic: Topic = None, /, *, limit: Limit = 100, cursor: Cursor = None, as_json: Json = False) -> None:
    """List dead letters, newest task first: the tasks of which a run is dead."""
    async with session() as opened:
        page = await opened.client.list_tasks(status=Status.DEAD, topic=topic, limit=limit, cursor=cursor)
    screen(as_json=as_json).show(shapes.task_page(page), task_views.dead_letters_table(page.results))
    say_cursor(page.cursor, as_json=as_json)


async def show(topic: TaskTopic, task_id: TaskId, /, *, as_json: Json = False) -> None:
    """Show a dead letter: its payload, and the error of every attempt with its traceback."""
    async with session() as opened:
        details = await opened.client.get_task(task_id)
    if details is None or details.result.topic != topic or not task_views.dead_runs(details.result):
        raise NoDeadLetter(task_id, topic)
    screen(as_json=as_json).show(shapes.task_details(details), *task_views.details_views(details))


async def requeue(
    topic: TaskTopic, /, *task_ids: TaskId, all_: EveryDeadLetter = False, as_json: Json = False
) -> ExitCode:
    """Run dead letters again, from their first attempt on."""
    async with session() as opened:
        chosen = await _chosen(opened, topic, task_ids, is_all=all_)

        async def requeue_one(run: TaskResult) -> None:
            await opened.client.requeue_task(run.task_id, run.agent)

        return await _each(chosen, requeue_one, "requeued", as_json=as_json)


async def purge(
    topic: TaskTopic, /, *task_ids: TaskId, all_: EveryDeadLetter = False, as_json: Json = False
) -> ExitCode:
    """Remove dead letters for good. What other agents made of the same task stays."""
    async with session() as opened:
        chosen = await _chosen(opened, topic, task_ids, is_all=all_)
        whole = {task.task_id for task in chosen if len(task_views.dead_runs(task)) == len(task.runs)}

        async def purge_one(run: TaskResult) -> None:
            if run.task_id not in whole:
                await opened.client.delete_task(run.task_id, run.agent)
            elif run.task_id not in gone:
                await opened.client.delete_task(run.task_id)
                gone.add(run.task_id)

        gone: set[str] = set()
        return await _each(chosen, purge_one, "purged", as_json=as_json)


async def _chosen(opened: Session, topic: str, task_ids: Sequence[str], *, is_all: bool) -> list[TaskResult]:
    """The tasks meant, all of them read before any is touched."""
    if is_all == bool(task_ids):
        raise WrongUse("name dead letters by their ids, or give --all" + (", not both" if is_all else ""))
    if is_all:
        return await _all_of(opened, topic)
    chosen: list[TaskResult] = []
    for task_id in dict.fromkeys(task_ids):
        task = await opened.client.get_result(task_id)
        if task is None or task.topic != topic or not task_views.dead_runs(task):
            raise NoDeadLetter(task_id, topic)
        chosen.append(task)
    return chosen


async def _all_of(opened: Session, topic: str) -> list[TaskResult]:
    found: list[TaskResult] = []
    cursor: str | None = None
    while True:
        page = await opened.client.list_tasks(status=Status.DEAD, topic=topic, limit=_PAGE, cursor=cursor)
        found += page.results
        cursor = page.cursor
        if cursor is None:
            return found


async def _each(
    tasks: Sequence[TaskResult], act: Callable[[TaskResult], Awaitable[None]], deed: str, *, as_json: bool
) -> ExitCode:
    """Do it to every dead run; one that cannot be done, since it has changed meanwhile, keeps none of the others."""
    done: list[shapes.Shape] = []
    failed: list[shapes.Shape] = []
    for run in (run for task in tasks for run in task_views.dead_runs(task)):
        key = {"task_id": run.task_id, "agent": run.agent}
        try:
            await act(run)
        except OmniDaemonError as error:
            failed.append({**key, **shapes.failure(error)})
            note(f"omni: {error}")
        else:
            done.append(key)
    lines = [f"{deed} {key['task_id']} of {key['agent']}" for key in done] or [f"nothing to be {deed}"]
    screen(as_json=as_json).show({deed: done, "failed": failed}, Lines.of(*lines))
    return ExitCode.FAILED if failed else ExitCode.DONE
