"""Webhooks and replies, as they are answered."""

from __future__ import annotations

from typing import Literal

from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.http.schemas.kinds import Output, ShownTime


class SendAttempt(Output):
    """One attempt to send: what was answered, or why nothing was."""

    attempt: int
    at: ShownTime | None
    status_code: int | None
    error: str | None
    duration_seconds: float


class Webhook(Output):
    """A webhook or a reply on its way. `next_attempt_at` is null once it is settled; of a URL, `target` is
    the beginning alone: the rest is often a key."""

    id: str
    kind: NotificationKind
    target: str
    status: OutboxStatus
    reason: str | None
    task_id: str
    topic: str
    agent: str
    task_status: Status
    created_at: ShownTime
    next_attempt_at: ShownTime | None
    settled_at: ShownTime | None
    attempts: list[SendAttempt]


class WebhookPage(Output):
    """Webhooks and replies, newest first, and the cursor for those that follow, null at the end."""

    webhooks: list[Webhook]
    cursor: str | None


class Redelivered(Output):
    """A webhook or a reply is due now."""

    id: str
    status: Literal["pending"]
