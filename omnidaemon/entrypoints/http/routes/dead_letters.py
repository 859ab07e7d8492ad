"""Dead letters, and the topics of the bus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Query

from omnidaemon.app.steps import MOST_TASKS, USUAL_TASKS
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints import dead_letters as bulk
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.dead_letters import BulkResult
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.routing import Cursor, Limit, OfTopic, Serving, Topic, problems, router
from omnidaemon.entrypoints.http.schemas import Absent, ChosenDeadLetters, CursorText
from omnidaemon.entrypoints.shapes import Shape

StepCursor = Annotated[CursorText | Absent, Query(description="The `cursor` of the answer before, to go on.")]
StepLimit = Annotated[int, Query(ge=1, le=MOST_TASKS, description="Cancel at most so many tasks.")]

dead_letters = router("dead letters")
topics = router("topics")


@dead_letters.get("/dead-letters", response_model=schemas.TaskPage, responses=problems())
async def list_dead_letters(client: Serving, topic: OfTopic = None, cursor: Cursor = None, limit: Limit = 100) -> Shape:
    """The tasks of which a run is dead, newest first, a page at a time."""
    return shapes.task_page(await client.list_tasks(status=Status.DEAD, topic=topic, cursor=cursor, limit=limit))


@dead_letters.post("/dead-letters/requeue", response_model=schemas.DeadLettersDone, responses=problems(404, 413))
async def requeue_dead_letters(client: Serving, chosen: ChosenDeadLetters) -> Shape:
    """Run dead letters again, from their first attempt on. 404, and nothing done, when one named is none. Of
    `all`, so many as `limit` says and some seconds allow, the newest first: while the answer has a `cursor`, ask again
    with it. So each is met once, also where they die again meanwhile."""
    return await _bulk_result(bulk.requeue, client, chosen)


@dead_letters.post("/dead-letters/purge", response_model=schemas.DeadLettersDone, responses=problems(404, 413))
async def purge_dead_letters(client: Serving, chosen: ChosenDeadLetters) -> Shape:
    """Remove dead letters for good; what other agents made of the same task stays. 404 likewise, and so `all`."""
    return await _bulk_result(bulk.purge, client, chosen)


async def _bulk_result(
    command: Callable[..., Awaitable[BulkResult]], client: Client, chosen: ChosenDeadLetters
) -> Shape:
    return shapes.bulk_result(
        await command(
            client, chosen.topic, chosen.task_ids, is_all=chosen.all, cursor=chosen.cursor, limit=chosen.limit
        )
    )


@topics.get("/topics", response_model=list[schemas.Topic], responses=problems())
async def list_topics(client: Serving) -> list[Shape]:
    """What waits on the bus, by topic and agent; empty for a bus that cannot tell."""
    return [shapes.depth(depth) for depth in await client.topics()]


@topics.post("/topics/{topic}/purge", response_model=schemas.Purged, responses=problems())
async def purge_topic(
    client: Serving, topic: Topic, cursor: StepCursor = None, limit: StepLimit = USUAL_TASKS
) -> Shape:
    """Drop what waits on a topic for all of its agents; what they have begun goes on. The bus is emptied by the first
    request. Each request then cancels so many of the tasks as `limit` says and some seconds allow, the newest first:
    while the answer has a `cursor`, ask again with it."""
    return shapes.purge_step(await client.purge_step(topic, cursor, limit))
