"""Tasks: publishing them, looking at them, ordering them about."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from omnidaemon.bootstrap.api_keys import Scope
from omnidaemon.domain.errors import InvalidValue, TaskNotFound, WaitTimedOut
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.access import Access
from omnidaemon.entrypoints.http.audience import Audience
from omnidaemon.entrypoints.http.routing import Cursor, Limit, OfTopic, OneAgent, Serving, TaskId, problems, router
from omnidaemon.entrypoints.http.schemas import Absent, Name, NewTask, Text
from omnidaemon.entrypoints.http.wait_limit import WaitLimit
from omnidaemon.entrypoints.shapes import Shape
from omnidaemon.entrypoints.validation import known_task

tasks = router("tasks")

LONGEST_WAIT_SECONDS = 60.0
"""Proxies cut longer ones off. Whoever wants to wait longer asks again."""

IdempotencyKey = Annotated[
    Text | Absent,
    Header(
        alias="Idempotency-Key",
        description="The same key on a topic gives the same task again; with another payload 409.",
    ),
]
OnlyDead = Annotated[bool, Query(description="Refuse (409) unless it is still a dead letter.")]
WithStatus = Annotated[Status | Absent, Query(description="Those that have a run in this state.")]
OfAgent = Annotated[Name | Absent, Query(description="Those of this agent alone.")]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_SECONDS,
        allow_inf_nan=False,
        description="Answer as soon as the task has ended, but no later than after so many seconds, ended or not.",
    ),
]


def _waits(request: Request) -> WaitLimit:
    waits: WaitLimit = request.app.state.waits
    return waits


def _audience(request: Request) -> Audience:
    audience: Audience = request.app.state.audience
    return audience


def _may_read(request: Request) -> bool:
    access: Access = request.app.state.access
    return access.permits(Scope.READ, request.headers)


Waits = Annotated[WaitLimit, Depends(_waits)]
Listeners = Annotated[Audience, Depends(_audience)]
MayRead = Annotated[bool, Depends(_may_read)]


@tasks.post(
    "/tasks",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.Receipt,
    response_model_exclude_none=True,
    responses=problems(409, 413),
)
async def publish_task(
    client: Serving, audience: Listeners, may_read: MayRead, task: NewTask, idempotency_key: IdempotencyKey = None
) -> Shape:
    """Publish a task: every agent of the topic gets it. Answered once the bus has confirmed it; with a `warning` where
    no agent listens to the topic, for which the task waits then; it names other topics to a key that may read."""
    key = task.idempotency_key or idempotency_key
    if idempotency_key not in (None, key):
        raise InvalidValue("Idempotency-Key", idempotency_key, "the same as idempotency_key in the body")
    told = await client.publish_with_receipt(
        task.topic,
        task.payload,
        delay=task.delay,
        due_at=task.due_at,
        idempotency_key=key,
        correlation_id=task.correlation_id,
        causation_id=task.causation_id,
        headers=task.headers,
        webhook=task.webhook,
        reply_to=task.reply_to,
    )
    return {**shapes.receipt(told), "warning": await audience.lack(task.topic, may_name=may_read)}


@tasks.get("/tasks", response_model=schemas.TaskPage, responses=problems())
async def list_tasks(
    client: Serving,
    *,
    status: WithStatus = None,
    topic: OfTopic = None,
    agent: OfAgent = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Shape:
    """Tasks, newest first, a page at a time."""
    page = await client.list_tasks(status=status, topic=topic, agent=agent, cursor=cursor, limit=limit)
    return shapes.task_page(page)


@tasks.get("/tasks/{task_id}", response_model=schemas.TaskResult, responses=problems(404))
async def get_task_result(
    client: Serving, waits: Waits, task_id: TaskId, agent: OneAgent = None, wait: Wait = 0.0
) -> Shape:
    """A task as it stands, whatever its status; 404 only when it is unknown."""
    if wait:
        # Not by the client, which would look for the reason of a wait in vain: the answer has no place for it.
        results = (await client.runtime()).results
        with waits.slot(), contextlib.suppress(WaitTimedOut):  # as it stands, then
            return shapes.task_result(await results.wait(known_task(task_id, agent), wait, agent))
    return await _standing(client, task_id, agent)


@tasks.get("/tasks/{task_id}/details", response_model=schemas.TaskDetails, responses=problems(404))
async def get_task_details(client: Serving, task_id: TaskId) -> Shape:
    """Everything about a task: its payload, its runs, the error of every attempt, its history."""
    details = await client.get_task(task_id)
    if details is None:
        raise TaskNotFound(task_id)
    return shapes.task_details(details)


@tasks.post("/tasks/{task_id}/cancel", response_model=schemas.TaskResult, responses=problems(404, 409))
async def cancel_task(client: Serving, task_id: TaskId, agent: OneAgent = None) -> Shape:
    """Cancel a task: what has not begun never will, what runs is stopped. Answers the task."""
    await client.cancel_task(task_id, agent)
    return await _standing(client, task_id, agent)


@tasks.post("/tasks/{task_id}/requeue", response_model=schemas.TaskResult, responses=problems(404, 409))
async def requeue_task(
    client: Serving, task_id: TaskId, agent: OneAgent = None, *, only_dead: OnlyDead = False
) -> Shape:
    """Run an ended task again: for the agent named, else for all that did not succeed. Answers the task."""
    await client.requeue_task(task_id, agent, only_dead=only_dead)
    return await _standing(client, task_id, agent)


@tasks.delete("/tasks/{task_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 409))
async def delete_task(
    client: Serving, task_id: TaskId, agent: OneAgent = None, *, only_dead: OnlyDead = False
) -> Response:
    """Forget a task with its runs and results, or one agent's ended run of it."""
    await client.delete_task(task_id, agent, only_dead=only_dead)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _standing(client: Client, task_id: str, agent: str | None) -> Shape:
    found = await client.get_result(task_id, agent)
    if found is None:
        raise TaskNotFound(task_id)
    return shapes.task_result(found)
