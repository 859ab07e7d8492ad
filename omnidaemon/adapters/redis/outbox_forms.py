"""Entries of the outbox as the server keeps them: a hash each, its due time in the index of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from omnidaemon.domain.instant import micros, moment
from omnidaemon.domain.notification import Notification
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, SendAttempt
from omnidaemon.ports.codec import Codec

_Log = tuple[SendAttempt, ...]
_NO_LOG: Final = b"[]"


def words_of(notification: Notification, codec: Codec) -> Sequence[Any]:
    """A new entry, as the section `notifications` of the script `apply` takes it."""
    return (
        notification.notification_id,
        notification.kind.value,
        notification.task_id,
        notification.topic,
        micros(notification.created_at),
        codec.dump(notification),
    )


def move_of(before: OutboxEntry, after: OutboxEntry, codec: Codec) -> Sequence[Any]:
    """A change, as the script `outbox_move` takes it."""
    return (
        before.notification_id,
        before.status.value,
        before.fence,
        after.status.value,
        after.fence,
        after.attempts,
        "" if after.due_at is None else micros(after.due_at),
        "" if after.settled_at is None else micros(after.settled_at),
        after.reason or "",
        codec.dump(after.log) if after.log else _NO_LOG,
    )


def entry_of(fields: Mapping[bytes, bytes], due: bytes | None, codec: Codec) -> OutboxEntry:
    """The entry of a hash, and of its score among those that are due."""
    return OutboxEntry(
        notification=codec.load(fields[b"v"], Notification),
        position=int(fields[b"n"]),
        status=OutboxStatus(fields[b"s"].decode()),
        attempts=int(fields[b"a"]),
        fence=int(fields[b"f"]),
        due_at=None if due is None else moment(int(float(due))),
        settled_at=moment(int(fields[b"e"])) if fields[b"e"] else None,
        reason=fields[b"r"].decode() or None,
        log=codec.load(fields[b"l"], _Log),
    )
