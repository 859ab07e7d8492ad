"""How webhooks and replies look to a person."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.bootstrap.settings import without_secrets
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.cli.views import Cell, Table, View

_STYLES = {OutboxStatus.DELIVERED: "green", OutboxStatus.PENDING: "blue", OutboxStatus.FAILED: "bold red"}


def webhooks_views(entries: Sequence[OutboxEntry]) -> list[View]:
    """A row for each, then one for each attempt that was made."""
    overview = Table(
        columns=("id", "kind", "status", "task", "agent", "target", "created", "next", "tried", "outcome"),
        rows=[_row(entry) for entry in entries],
        empty="no webhooks and no replies match",
        wide="outcome",
        spare=("kind", "created", "agent", "tried"),
    )
    attempts = [_attempt_row(entry, line) for entry in entries for line in entry.log]
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


def _row(entry: OutboxEntry) -> tuple[Cell, ...]:
    told = entry.notification
    return (
        views.plain(told.notification_id),
        views.plain(told.kind.value),
        Cell(text=entry.status.value, style=_STYLES[entry.status]),
        views.plain(told.task_id),
        views.plain(told.run.subscription.agent),
        summary(without_secrets("target", told.target)),
        views.when(told.created_at),
        views.when(entry.due_at),
        views.plain(entry.attempts),
        summary(entry.reason or (_outcome(entry.log[-1]) if entry.log else None)),
    )


def _attempt_row(entry: OutboxEntry, line: SendAttempt) -> tuple[Cell, ...]:
    return (
        views.plain(entry.notification_id),
        views.plain(line.attempt),
        views.exactly(line.at) if line.at else views.when(None),
        views.plain(line.status_code),
        views.lasting(line.seconds),
        summary(line.error),
    )


def _outcome(line: SendAttempt) -> str | None:
    return line.error or (None if line.status_code is None else str(line.status_code))
