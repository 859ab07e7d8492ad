"""How webhooks and replies look to a person."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.app.queries import WebhookStatus
from omnidaemon.domain.outbox import OutboxStatus, SendAttempt
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.cli.views import Card, Cell, Table, View
from omnidaemon.entrypoints.shapes import shown_target

_STYLES = {OutboxStatus.DELIVERED: "green", OutboxStatus.PENDING: "blue", OutboxStatus.FAILED: "bold red"}


def webhooks_views(webhooks: Sequence[WebhookStatus]) -> list[View]:
    """A row for each, for people a card where it is one alone; then a row for each attempt that was made."""
    overview = Table(
        columns=("id", "kind", "status", "task", "agent", "target", "created", "next", "tried", "outcome"),
        rows=[_row(webhook) for webhook in webhooks],
        empty="no webhooks and no replies match",
        wide="outcome",
        spare=("kind", "created", "agent", "tried", "next", "task", "target"),
        cards=[_card(webhook) for webhook in webhooks] if len(webhooks) == 1 else (),
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
        spare=("took", "at", "status code"),
        optional={"id": frozenset({webhooks[0].webhook_id})} if len(webhooks) == 1 else {},
    )
    return [overview, log]


def _card(webhook: WebhookStatus) -> Card:
    reason = _reason(webhook)
    return Card(
        title=f"{webhook.kind.value} · {webhook.status.value}",
        style=_STYLES[webhook.status],
        body=views.plain(reason) if reason else None,
        body_label="reason",
        fields=(
            ("id", views.plain(webhook.webhook_id)),
            ("target", views.plain(shown_target(webhook))),
            ("topic", views.plain(webhook.topic)),
            ("agent", views.plain(webhook.agent)),
            ("task", views.plain(webhook.task_id)),
            ("created", views.when(webhook.created_at)),
            *((("next", views.when(webhook.next_attempt_at)),) if webhook.next_attempt_at else ()),
        ),
    )


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
        summary(_reason(webhook)),
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


def _reason(webhook: WebhookStatus) -> str | None:
    """Why it was given up, else what came of the last attempt."""
    if webhook.reason or not webhook.attempts:
        return webhook.reason
    last = webhook.attempts[-1]
    return last.error or (None if last.status_code is None else str(last.status_code))
