"""The events of the journal: what happened, in order, in the past tense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from omnidaemon.domain.instant import moment
from omnidaemon.domain.values import Value


class EventKind(StrEnum):
    """What happened to a task or to one of its runs."""

    PUBLISHED = "published"
    SCHEDULED = "scheduled"
    HELD = "held"
    STARTED = "started"
    RETRIED = "retried"
    WAITED = "waited"
    ANSWERED = "answered"
    RELEASED = "released"
    CRASHED = "crashed"
    CANCEL_REQUESTED = "cancel_requested"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    REQUEUED = "requeued"
    DELETED = "deleted"

    @property
    def is_end(self) -> bool:
        """Whether a task may have ended with it, and no other event of it may come."""
        return self in _ENDS


_ENDS = frozenset(
    {EventKind.SUCCEEDED, EventKind.DEAD, EventKind.CANCELLED, EventKind.SKIPPED, EventKind.DELETED},
)


class JournalEvent(Value, kw_only=True):
    """One line of the journal. `agent` is None for what happened to the task as a whole; `attempt` is the number of the
    attempt that it is about, 0 for what came before the first; `position` is the store's number for it, growing, 0
    until it is stored."""

    kind: EventKind
    task_id: str
    topic: str
    at: datetime
    agent: str | None = None
    attempt: int = 0
    detail: str = ""
    position: int = 0

    @classmethod
    def kept(cls, position: int, task_id: str, terms: Sequence[Any]) -> JournalEvent:
        """The event of what a store keeps of it. `terms`: its kind by name, topic, agent, attempt, detail, and time in
        microseconds."""
        kind, topic, agent, attempt, detail, at = terms
        return cls(
            position=position,
            kind=_KINDS[kind],
            task_id=task_id,
            topic=topic,
            agent=agent,
            attempt=attempt,
            detail=detail,
            at=moment(at),
        )


_KINDS = {kind.value: kind for kind in EventKind}
