"""How webhooks and replies look to a person."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.app.queries import WebhookStatus
from omnidaemon.domain.outbox import OutboxStatus, SendAttempt
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.cli.views import Cell, Table, View
from omnidaemon.entrypoints.shapes import shown_target

_STYLES = {OutboxStatus.DELIVERED: "green", OutboxStatus.PENDING: "blue", OutboxStatus.FAILED: "bold red"}


def webhooks_views(webhooks: Sequence[WebhookStatus]) -> list[View]:
    """A row for each, then one for each attempt that was made."""
    overview = Table(
        columns=("id", "kind", "status", "task", "agent", "target", "created", "next", "tried", "outcome"),
        rows=[_row(webhook) for webhook in webhooks],
        empty="no webhooks and no replies match",
        wide="outcome",
        spare=("kind", "created", "agent", "tried"),
    )
    attempts = [_attempt_row(webhook, line) for webhook in webhooks for line in webhook.attempts]
    if not attempts:
        return [overview]
    log = Table(
        columns=("id", "attempt", "at", "status code", "took", "error"),
        rows=attempts,
        empty="",
        title="attempts",
        wide="error",
    )
    return [overview, log]


def _row(webhook: WebhookStatus) -> tuple[Cell, ...]:
    last = webhook.attempts[-1] if webhook.attempts else None
    return (
        views.plain(webhook.webhook_id),
        views.plain(webhook.kind.value),
        Cell(text=webhook.status.value, style=_STYLES[webhook.status]),
        views.plain(webhook.task_id),
        views.plain(webhook.agent),
        summary(shown_target(webhook)),
        views.when(webhook.created_at),
        views.when(webhook.next_attempt_at),
        views.plain(last.attempt if last else 0),
        summary(webhook.reason or (_outcome(last) if last else None)),
    )


def _attempt_row(webhook: WebhookStatus, line: SendAttempt) -> tuple[Cell, ...]:
    return (
        views.plain(webhook.webhook_id),
        views.plain(line.attempt),
        views.exactly(line.at) if line.at else views.when(None),
        views.plain(line.status_code),
        views.lasting(line.seconds),
        summary(line.error),
    )


def _outcome(line: SendAttempt) -> str | None:
    return line.error or (None if line.status_code is None else str(line.status_code))
