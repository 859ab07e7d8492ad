"""Where the news of a run's end goes, and what a reply needs to take its place in a chain."""

from __future__ import annotations

from datetime import datetime

import attrs

from omnidaemon.domain.task import Task, Unreadable


@attrs.frozen(kw_only=True)
class ReturnAddress:
    """What a run has to tell when it ends, and to whom; taken from its task, since the task may be gone by then.

    `webhook` is a URL, `reply_to` a topic. `created_at` and `correlation_id` are the task's, `hops` says how many
    replies lie before it.
    """

    created_at: datetime
    webhook: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    hops: int = 0


def return_address(task: Task | Unreadable) -> ReturnAddress | None:
    """Where the runs of this task report to; None for most tasks, and for what nobody could read."""
    if isinstance(task, Unreadable) or (task.webhook is None and task.reply_to is None):
        return None
    return ReturnAddress(
        created_at=task.created_at,
        webhook=task.webhook,
        reply_to=task.reply_to,
        correlation_id=task.correlation_id,
        hops=task.hops,
    )
