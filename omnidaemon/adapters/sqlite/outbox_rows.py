"""Entries of the outbox as rows, and rows as entries."""

from __future__ import annotations

from typing import Final

from omnidaemon.adapters.sqlite.rows import Row
from omnidaemon.domain.instant import micros, moment
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt
from omnidaemon.ports.codec import Codec

ADD_NOTIFICATION: Final = """
    INSERT OR IGNORE INTO outbox (notification_id, position, kind, task_id, topic, due_at, notification)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

ENTRY_STATE: Final = ("status", "attempts", "fence", "due_at", "settled_at", "reason", "log")
"""The columns that change, in the order of `state_of`."""

ENTRY_COLUMNS: Final = ", ".join(f"outbox.{name}" for name in ("position", "notification", *ENTRY_STATE))
"""What `entry_of` reads."""

MOVE_ENTRY: Final = f"UPDATE outbox SET {', '.join(f'{name} = ?' for name in ENTRY_STATE)} WHERE notification_id = ?"

_Log = tuple[SendAttempt, ...]


def row_of(notification: Notification, position: int, codec: Codec) -> Row:
    """The values that `ADD_NOTIFICATION` binds."""
    return (
        notification.notification_id,
        position,
        notification.kind.value,
        notification.task_id,
        notification.topic,
        micros(notification.created_at),
        codec.dump(notification),
    )


def state_of(entry: OutboxEntry, codec: Codec) -> Row:
    """The values of the columns `ENTRY_STATE`."""
    return (
        entry.status.value,
        entry.attempts,
        entry.fence,
        None if entry.due_at is None else micros(entry.due_at),
        None if entry.settled_at is None else micros(entry.settled_at),
        entry.reason,
        codec.dump(entry.log) if entry.log else None,
    )


def entry_of(row: Row, codec: Codec) -> OutboxEntry:
    """The entry of a row of `ENTRY_COLUMNS`."""
    position, notification, status, attempts, fence, due_at, settled_at, reason, log = row
    return OutboxEntry(
        notification=codec.load(notification, Notification),
        position=position,
        status=OutboxStatus(status),
        attempts=attempts,
        fence=fence,
        due_at=None if due_at is None else moment(due_at),
        settled_at=None if settled_at is None else moment(settled_at),
        reason=reason,
        log=() if log is None else codec.load(log, _Log),
    )
