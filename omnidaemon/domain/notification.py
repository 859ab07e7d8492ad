"""What is told of a run's end: written in the transaction that ends it, sent afterwards."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

import attrs

from omnidaemon.domain.run import Run


class NotificationKind(StrEnum):
    """How it is told: by a request to a URL, or by a task on a topic."""

    WEBHOOK = "webhook"
    REPLY = "reply"


@attrs.frozen(kw_only=True)
class Notification:
    """One end of one run, for one receiver. `target` is a URL or a topic.

    `run` is the run as it ended, with its result and its errors: a requeue overwrites the run and retention removes it,
    and neither changes what is told. `notification_id` follows from what is told, so that who is told twice can notice.
    """

    notification_id: str
    kind: NotificationKind
    target: str
    run: Run
    created_at: datetime

    @property
    def task_id(self) -> str:
        """The task that the run was of."""
        return self.run.task_id

    @property
    def topic(self) -> str:
        """The topic that the task came by."""
        return self.run.subscription.topic


def notifications_of(run: Run, at: datetime) -> tuple[Notification, ...]:
    """What is to be told of a run that has just ended: nothing, or one for each that its task named."""
    address = run.return_address
    if address is None:
        return ()
    targets = ((NotificationKind.WEBHOOK, address.webhook), (NotificationKind.REPLY, address.reply_to))
    return tuple(
        Notification(
            notification_id=notification_id(kind, run),
            kind=kind,
            target=target,
            run=run,
            created_at=at,
        )
        for kind, target in targets
        if target is not None
    )


def notification_id(kind: NotificationKind, run: Run) -> str:
    """The id of what is told of this life of a run: the same whoever derives it, and a name that every bus can
    carry."""
    # Hashed, since two names of full length are longer than one may be. None of the parts can hold a slash.
    told = f"{run.task_id}/{run.subscription.agent}/{run.life}"
    return f"{kind.value}-{hashlib.sha256(told.encode()).hexdigest()[:32]}"
