"""Webhooks and replies: what is told of ended runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.routing import Cursor, Limit, OfTopic, Serving, problems, router
from omnidaemon.entrypoints.http.schemas import Absent, Name
from omnidaemon.entrypoints.shapes import Shape

webhooks = router("webhooks")

WithStatus = Annotated[OutboxStatus | Absent, Query(description="Those that are still to be sent, arrived, or failed.")]
OfKind = Annotated[NotificationKind | Absent, Query(description="Those that go to URLs, or those that go to topics.")]
OfTask = Annotated[Name | Absent, Query(description="Those of this task alone.")]
WebhookId = Annotated[str, Path(description="The id that the list tells, and that receivers get as `webhook-id`.")]


@webhooks.get("/webhooks", response_model=schemas.WebhookPage, responses=problems())
async def list_webhooks(
    client: Serving,
    *,
    status: WithStatus = None,
    kind: OfKind = None,
    topic: OfTopic = None,
    task: OfTask = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Shape:
    """Webhooks and replies, newest first, a page at a time, each with its attempts."""
    page = await client.list_webhooks(status=status, kind=kind, topic=topic, task_id=task, cursor=cursor, limit=limit)
    return shapes.webhook_page(page)


@webhooks.post("/webhooks/{webhook_id}/redeliver", response_model=schemas.Redelivered, responses=problems(404))
async def redeliver_webhook(client: Serving, webhook_id: WebhookId) -> Shape:
    """Send one now, whatever came of it, with a full set of attempts from here on."""
    await client.redeliver_webhook(webhook_id)
    return shapes.redelivered(webhook_id)
