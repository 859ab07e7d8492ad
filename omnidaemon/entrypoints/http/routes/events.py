"""What happens, as it happens, as Server-Sent Events."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response

from omnidaemon.app.task_events import TaskEvents
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.entrypoints.http.routing import Serving, TaskId, problems, router
from omnidaemon.entrypoints.http.schemas import Absent, Pattern, Position
from omnidaemon.entrypoints.http.streams import MEDIA_TYPE, Streams

events = router("events")

LastEventId = Annotated[
    Position | Absent,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that was seen, as a browser sends it by itself; before `after`.",
    ),
]
After = Annotated[
    Position | Absent,
    Query(description="The `id` of the last event that was seen: go on after it."),
]
LikeTopic = Annotated[
    Pattern | Absent,
    Query(description="Of the topics that match this alone, such as `document.*`."),
]
OfTask = Annotated[Pattern | Absent, Query(alias="task", description="Of this task alone.")]


def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


OpenStreams = Annotated[Streams, Depends(_streams)]

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events: `id` is the position, `data` an event as in `events` of a task's details.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
_NO_MORE: dict[int | str, dict[str, Any]] = {
    204: {"description": "The task has ended, and there is nothing more to come: a browser stops to ask."}
}


@events.get("/tasks/{task_id}/events", response_class=Response, responses=problems(404) | _STREAM | _NO_MORE)
async def follow_task(
    client: Serving, streams: OpenStreams, task_id: TaskId, *, after: After = None, last_event_id: LastEventId = None
) -> Response:
    """A task's events, from its first one on or after the one given; ends when the task has."""
    if await client.get_result(task_id) is None:
        raise TaskNotFound(task_id)
    runtime = await client.runtime()
    seen = after if last_event_id is None else last_event_id
    task_events = TaskEvents(runtime.feed, runtime.queries, task_id, seen or 0)
    if await task_events.is_over():
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return streams.response(task_events, on_pause=task_events.look_again)


@events.get("/events", response_class=Response, responses=problems() | _STREAM)
async def follow_events(
    client: Serving,
    streams: OpenStreams,
    *,
    topic: LikeTopic = None,
    task: OfTask = None,
    after: After = None,
    last_event_id: LastEventId = None,
) -> Response:
    """All events, as they happen; those from now on, or after the one given. Never ends by itself."""
    seen = after if last_event_id is None else last_event_id
    stream = client.events(after=seen, task_id=task, topic=topic)
    await stream.open()
    return streams.response(stream, on_pause=lambda: None, begins_at=stream.position)
