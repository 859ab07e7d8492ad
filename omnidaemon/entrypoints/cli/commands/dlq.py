"""`omni dlq`: dead letters, the runs that failed for good and wait for somebody to decide."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

from cyclopts import Parameter

from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import dead_letters, shapes
from omnidaemon.entrypoints.cli import task_views
from omnidaemon.entrypoints.cli.commands.task import say_cursor, say_strange
from omnidaemon.entrypoints.cli.confirmation import confirm
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Cursor, Json, Limit, TaskId, TaskTopic, Topic, WrongUse, Yes
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import session
from omnidaemon.entrypoints.cli.views import Lines
from omnidaemon.entrypoints.dead_letters import BulkResult, NoDeadLetter, dead_runs
from omnidaemon.entrypoints.shapes import Shape
from omnidaemon.entrypoints.unheard import check_known, strange_name

if TYPE_CHECKING:
    from omnidaemon.entrypoints.operations import Operations

EveryDeadLetter = Annotated[bool, Parameter(name="--all", help="Every dead letter of the topic.")]


async def list_(topic: Topic = None, /, *, limit: Limit = 100, cursor: Cursor = None, as_json: Json = False) -> None:
    """List dead letters, newest task first: the tasks of which a run is dead."""
    async with session() as opened:
        page = await opened.client.list_tasks(status=Status.DEAD, topic=topic, limit=limit, cursor=cursor)
        strange = "" if page.results else await strange_name(opened.client, topic)
    screen(as_json=as_json).show(shapes.task_page(page), task_views.dead_letters_table(page.results))
    say_strange(strange)
    say_cursor(page.cursor, as_json=as_json)


async def show(topic: TaskTopic, task_id: TaskId, /, *, as_json: Json = False) -> None:
    """Show a dead letter: its payload, and the error of every attempt with its traceback."""
    async with session() as opened:
        details = await opened.client.get_task(task_id)
    if details is None or details.result.topic != topic or not dead_runs(details.result):
        raise NoDeadLetter(task_id, topic)
    screen(as_json=as_json).show(shapes.task_details(details), *task_views.details_views(details))


async def requeue(
    topic: TaskTopic, /, *task_ids: TaskId, all_: EveryDeadLetter = False, as_json: Json = False
) -> ExitCode:
    """Run dead letters again, from their first attempt on."""
    _check_named(task_ids, is_all=all_)
    return await _carried_out(dead_letters.requeue, "requeued", topic, task_ids, is_all=all_, as_json=as_json)


def purge(
    topic: TaskTopic, /, *task_ids: TaskId, all_: EveryDeadLetter = False, yes: Yes = False, as_json: Json = False
) -> ExitCode:
    """Remove dead letters for good. What other agents made of the same task stays.

    With --all it asks first, since nobody has named them.
    """
    _check_named(task_ids, is_all=all_)
    if all_ and not confirm(f"remove every dead letter of {topic}", is_agreed=yes):
        note("nothing was removed")
        return ExitCode.FAILED
    # Asked before any loop runs: Ctrl-C ends a question, but not one that blocks a loop.
    return asyncio.run(_carried_out(dead_letters.purge, "purged", topic, task_ids, is_all=all_, as_json=as_json))


def _check_named(task_ids: Sequence[str], *, is_all: bool) -> None:
    if is_all == bool(task_ids):
        raise WrongUse("name dead letters by their ids, or give --all" + (", not both" if is_all else ""))


class _BulkCommand(Protocol):
    async def __call__(
        self, client: Operations, topic: str, task_ids: Sequence[str], *, is_all: bool, cursor: str | None = None
    ) -> BulkResult: ...


async def _carried_out(
    command: _BulkCommand, deed: str, topic: str, task_ids: Sequence[str], *, is_all: bool, as_json: bool
) -> ExitCode:
    lines: list[str] = []
    answer: dict[str, list[Shape]] = {deed: [], "failed": []}
    async with session() as opened:
        cursor: str | None = None
        while True:
            result = await command(opened.client, topic, task_ids, is_all=is_all, cursor=cursor)
            for failed in result.failed:
                note(f"omni: {failed.error}")
            lines += [f"{deed} {run.task_id} of {run.agent}" for run in result.done]
            shape = shapes.bulk_result(result)
            answer[deed] += shape["runs"]
            answer["failed"] += shape["failed"]
            cursor = result.cursor
            if cursor is None:
                break
            note(f"{len(lines)} {deed} so far")
        if not lines and not answer["failed"]:
            await check_known(opened.client, topic)
    told = lines or ([] if answer["failed"] else [f"nothing to be {deed}"])
    screen(as_json=as_json).show(answer, *([Lines.of(*told)] if told else []))
    return ExitCode.FAILED if answer["failed"] else ExitCode.DONE
