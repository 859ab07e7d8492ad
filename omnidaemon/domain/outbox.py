"""A notification on its way: how often it was sent, what came of it, and when it is due again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from itertools import takewhile

import attrs

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.texts import brief
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain, Verdict

LONGEST_LOG = 100
"""How many attempts an entry remembers: the latest ones, however often it is sent anew."""


class OutboxStatus(StrEnum):
    """Whether a notification has still to be sent, was delivered, or was given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class SendAttempt:
    """One line of an entry's log. `attempt` counts from 1, anew each time that somebody has it delivered again;
    `at` is when the store heard of it, `seconds` how long it took. Of an error the beginning is kept: receivers have
    their say in it, and an entry keeps many."""

    status_code: int | None = None
    error: str | None = attrs.field(default=None, converter=attrs.converters.optional(brief))
    seconds: float = 0.0
    attempt: int = 0
    at: datetime | None = None


@attrs.frozen(kw_only=True)
class Settlement:
    """What became of an entry that was taken, under the fence that it was taken with."""

    notification_id: str
    fence: int
    verdict: Verdict
    attempt: SendAttempt


@attrs.frozen(kw_only=True)
class OutboxEntry:
    """A notification as the outbox keeps it. Every method that moves it returns a new value.

    `position` grows from one entry to the next. `fence` grows each time that it is taken or settled: who holds an older
    one can settle nothing. `due_at` is when it may be taken, None once it is settled. `attempts` are those since it was
    last made due by a person; `reason` is why it was given up after them.
    """

    notification: Notification
    position: int
    status: OutboxStatus = OutboxStatus.PENDING
    attempts: int = 0
    fence: int = 0
    due_at: datetime | None = None
    settled_at: datetime | None = None
    reason: str | None = None
    log: tuple[SendAttempt, ...] = ()

    @classmethod
    def of(cls, notification: Notification, position: int) -> OutboxEntry:
        """How it begins: due at once."""
        return cls(notification=notification, position=position, due_at=notification.created_at)

    @property
    def notification_id(self) -> str:
        """The id of what is told, the same at each attempt."""
        return self.notification.notification_id

    def failed_in_a_row(self, error: str) -> int:
        """How many of the latest attempts that count came to this error."""
        latest = reversed(self.log[max(0, len(self.log) - self.attempts) :])
        return sum(1 for _ in takewhile(lambda line: line.error == error, latest))

    def taken(self, until: datetime) -> OutboxEntry:
        """In somebody's hands until then."""
        return attrs.evolve(self, fence=self.fence + 1, due_at=until)

    def settled(self, settlement: Settlement, now: Instant) -> OutboxEntry | None:
        """With what came of it; None when the settlement is not of the latest who took it, and changes nothing."""
        if self.status is not OutboxStatus.PENDING or self.fence != settlement.fence:
            return None
        attempts = self.attempts + 1
        line = attrs.evolve(settlement.attempt, attempt=attempts, at=now.at)
        # The fence moves on, so that the same settlement once more, after a lost reply, counts no second attempt.
        tried = attrs.evolve(self, attempts=attempts, fence=self.fence + 1, log=(*self.log, line)[-LONGEST_LOG:])
        match settlement.verdict:
            case TryAgain(after_seconds=seconds):
                return attrs.evolve(tried, due_at=now.after(seconds))
            case Delivered():
                return attrs.evolve(tried, status=OutboxStatus.DELIVERED, due_at=None, settled_at=now.at)
            case GivenUp(reason=reason):
                return attrs.evolve(
                    tried, status=OutboxStatus.FAILED, due_at=None, settled_at=now.at, reason=brief(reason)
                )

    def redelivered(self, now: Instant) -> OutboxEntry:
        """Due at once, with all attempts before it; the log goes on. Whoever holds it can settle it no more."""
        return attrs.evolve(
            self,
            status=OutboxStatus.PENDING,
            attempts=0,
            fence=self.fence + 1,
            due_at=now.at,
            settled_at=None,
            reason=None,
        )
