"""`omni task`: publish tasks, look at them, order them about."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import OmniDaemonError, TaskNotFound, WaitTimedOut, WrongState
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import options, payloads, task_views
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Agent, Cursor, Json, Limit, TaskId, Timeout, Topic, Wait
from omnidaemon.entrypoints.cli.progress import Progress, ended_text
from omnidaemon.entrypoints.cli.screen import Screen, note, screen
from omnidaemon.entrypoints.cli.session import PARTS, Session, session
from omnidaemon.entrypoints.cli.views import Cell, Lines
from omnidaemon.entrypoints.time_texts import relative_time
from omnidaemon.entrypoints.unheard import explained, strange_name, unknown_topic

_Header = Annotated[
    list[str] | None, Parameter(name="--header", help="A header, as name=value; may be given repeatedly.")
]
_Payload = Annotated[
    str,
    Parameter(
        help="Any JSON value; @FILE reads it from a file, - from standard input.",
        allow_leading_hyphen=True,  # for -, and for numbers below zero
    ),
]


async def publish(
    topic: Annotated[str, Parameter(help="Where to publish.")],
    payload: _Payload,
    /,
    *,
    wait: Wait = False,
    timeout: Timeout = None,
    webhook: Annotated[str | None, Parameter(help="Post the result of each agent's run to this URL.")] = None,
    reply_to: Annotated[str | None, Parameter(help="Publish the result of each agent's run on this topic.")] = None,
    delay: Annotated[str | None, Parameter(help="Run it this much later, such as 10s, 5m or 2h.")] = None,
    due_at: Annotated[str | None, Parameter(help="Run it at this time, in ISO 8601.")] = None,
    idempotency_key: Annotated[str | None, Parameter(help="The same key on a topic gives the same task again.")] = None,
    header: _Header = None,
    as_json: Json = False,
) -> ExitCode:
    """Publish a task: every agent of the topic gets it.

    With --wait, exit 0 says that it succeeded, 1 that it did not, 5 that it goes on after the time-out.
    """
    limit = options.timeout_seconds(timeout, is_waiting=wait)
    if delay is not None and due_at is not None:
        raise options.WrongUse("--delay and --due-at exclude one another")
    value = payloads.read_payload(payload)
    pause = None if delay is None else options.seconds("--delay", delay)
    due = None if due_at is None else options.instant("--due-at", due_at)
    answer = screen(as_json=as_json)
    # What is scheduled or keyed is left in the store, and what is waited for is looked for there.
    is_stored = wait or (pause, due, idempotency_key) != (None, None, None)
    async with session(PARTS if is_stored else ("bus",)) as opened:
        told = await opened.client.publish_with_receipt(
            topic,
            value,
            webhook=webhook,
            reply_to=reply_to,
            delay=pause,
            due_at=due,
            idempotency_key=idempotency_key,
            headers=options.headers(header or ()),
        )
        await _say_where(opened, topic, told.task_id)
        if told.known_since is not None:
            before = relative_time(told.known_since, datetime.now(UTC))
            note(f"published before under this key, {before}: it is {told.status}, and no other task was published")
        if wait:
            earlier = None if told.known_since is None else await opened.client.get_result(told.task_id)
            return await _await_result(opened, answer, told.task_id, limit, agent=None, before=earlier)
    # The task that a key stands for may be an earlier one, with a time of its own.
    new = f"published {told.task_id} on {topic}{_due_later(pause, due)}"
    # Into a pipe goes the id alone: `id=$(omni task publish …)`.
    said = f"{told.task_id} on {topic} is {told.status}" if told.known_since else new
    answer.show(shapes.receipt(told), Lines(lines=(Cell(text=told.task_id, shown=said),)))
    return ExitCode.DONE


def _due_later(pause: float | None, due: datetime | None) -> str:
    if due is not None:
        return f", due {relative_time(due, datetime.now(UTC))}"
    return "" if pause is None else f", due in {duration_text(pause)}"


async def _say_where(opened: Session, topic: str, task_id: str) -> None:
    """Somebody who waits for a result in vain has often published into another place than the worker reads, or to
    another topic than the agent listens to."""
    note(f"task {task_id}: {await opened.place()}")
    with contextlib.suppress(OmniDaemonError):  # the task is published, whatever can be said of it or may be asked
        note(*(f"warning: {lack}" for lack in (await opened.client.health()).notes))
        topics = [agent.topic for agent in await opened.client.list_agents()]
        if topics and (strange := unknown_topic(topic, topics)):
            note(f"warning: {strange}")


async def _await_result(
    opened: Session, answer: Screen, task_id: str, limit: float, *, agent: str | None, before: TaskResult | None
) -> ExitCode:
    try:
        with answer.waiting("waiting for the result; Ctrl-C leaves the task to itself") as tell:
            result = await Progress(tell, opened.client, task_id, agent, before).result(limit)
    except WaitTimedOut as error:
        found = await opened.client.get_result(task_id, agent)
        note(*(ended_text(run) for run in (found.runs if found else ()) if run.is_end))
        raise await explained(error, opened.client, await opened.place(), agent) from error
    answer.show(shapes.task_result(result), *task_views.result_views(result))
    return ExitCode.DONE if result.status is Status.SUCCEEDED else ExitCode.FAILED


async def result(
    task_id: TaskId,
    /,
    *,
    agent: Agent = None,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> ExitCode:
    """Show what a task came to, or how far it is.

    Exit 0 says that the task is known, whatever its status; with --wait it is as for `omni task publish --wait`.
    """
    limit = options.timeout_seconds(timeout, is_waiting=wait)
    answer = screen(as_json=as_json)
    async with session() as opened:
        if wait:
            before = await opened.client.get_result(task_id, agent)
            return await _await_result(opened, answer, task_id, limit, agent=agent, before=before)
        found = await _known(opened, task_id, agent)
    answer.show(shapes.task_result(found), *task_views.result_views(found))
    return ExitCode.DONE


async def _known(opened: Session, task_id: str, agent: str | None = None) -> TaskResult:
    found = await opened.client.get_result(task_id, agent)
    if found is None:
        raise TaskNotFound(task_id)
    return found


async def list_(
    *,
    status: Annotated[str | None, Parameter(help=f"One of {', '.join(Status)}.")] = None,
    topic: Topic = None,
    agent: Annotated[str | None, Parameter(help="Those of this agent alone.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List tasks, newest first."""
    async with session() as opened:
        page = await opened.client.list_tasks(status=status, topic=topic, agent=agent, limit=limit, cursor=cursor)
        strange = "" if page.results else await strange_name(opened.client, topic, agent)
    screen(as_json=as_json).show(shapes.task_page(page), task_views.tasks_table(page.results))
    say_strange(strange)
    say_cursor(page.cursor, as_json=as_json)


def say_cursor(cursor: str | None, *, as_json: bool) -> None:
    """Tell how to see the next page, where there is one; in JSON the cursor is part of the answer."""
    if cursor is not None and not as_json:
        note(f"there are more: the same command with --cursor {cursor}")


def say_strange(strange: str) -> None:
    """Tell why nothing was found, where a name must be a slip. An answer it is all the same, so it is no error."""
    if strange:
        note(f"warning: {strange}")


async def show(task_id: TaskId, /, *, as_json: Json = False) -> None:
    """Show everything about a task: payload, runs, errors of each attempt, history."""
    async with session() as opened:
        details = task_views.checked(await opened.client.get_task(task_id), task_id)
    screen(as_json=as_json).show(shapes.task_details(details), *task_views.details_views(details))


async def cancel(task_id: TaskId, /, *, agent: Agent = None, as_json: Json = False) -> None:
    """Cancel a task: what has not begun never will, what runs is stopped."""
    async with session() as opened:
        await opened.client.cancel_task(task_id, agent)
        found = await _known(opened, task_id, agent)
    told = f"cancelled {task_id}" if found.is_end else f"{task_id} is {found.status}; its worker was told to stop it"
    _say_done(found.status, task_id, agent, told, as_json=as_json)


async def requeue(task_id: TaskId, /, *, agent: Agent = None, as_json: Json = False) -> None:
    """Run an ended task again: for the agent named, else for all that did not succeed."""
    async with session() as opened:
        await opened.client.requeue_task(task_id, agent)
        found = await _known(opened, task_id, agent)
    _say_done(found.status, task_id, agent, f"requeued {task_id}", as_json=as_json)


class CancelPending(WrongState):
    """What is to be deleted runs still, and its worker has been told to stop it."""

    def __str__(self) -> str:
        return f"{super().__str__()}, and its worker has been told to stop it; delete it once it has"


async def delete(task_id: TaskId, /, *, agent: Agent = None, as_json: Json = False) -> None:
    """Forget a task with its runs and results, or one agent's ended run of it."""
    async with session() as opened:
        try:
            await opened.client.delete_task(task_id, agent)
        except WrongState as error:
            details = await opened.client.get_task(task_id)
            if details is not None and details.is_cancel_requested:
                raise CancelPending(error.command, error.task_id, error.state) from error
            raise
    _say_done("deleted", task_id, agent, f"deleted {task_id}", as_json=as_json)


def _say_done(status: str, task_id: str, agent: str | None, told: str, *, as_json: bool) -> None:
    told = told if agent is None else f"{told} (agent {agent})"
    screen(as_json=as_json).show({"task_id": task_id, "agent": agent, "status": str(status)}, Lines.of(told))
