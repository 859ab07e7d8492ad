"""What whoever has published a task is told of it."""

from __future__ import annotations

from datetime import datetime

import attrs

from omnidaemon.domain.states import Status


@attrs.frozen(kw_only=True)
class PublishReceipt:
    """The task that publishing has answered with, and its status.

    `known_since`: when it was published, where the idempotency key stood for it already, and nothing was published
    now; None of a task that is new.
    """

    task_id: str
    status: Status
    known_since: datetime | None = None
