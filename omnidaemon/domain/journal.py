"""The events of the journal: what happened, in order, in the past tense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

from omnidaemon.domain.instant import moment
from omnidaemon.domain.values import Value, replace


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


class JournalEntry(Value, kw_only=True):
    """Events that are alike but for their tasks, in order, as a store keeps them: nearly all of a batch are. Their
    positions follow on one another."""

    kind: EventKind
    topic: str
    at: datetime
    task_ids: tuple[str, ...]
    agent: str | None = None
    attempt: int = 0
    detail: str = ""

    @property
    def events(self) -> list[JournalEvent]:
        """One by one."""
        kind, topic, at, agent, attempt, detail = _terms_of(self)
        return [
            JournalEvent(kind=kind, task_id=task_id, topic=topic, at=at, agent=agent, attempt=attempt, detail=detail)
            for task_id in self.task_ids
        ]


_terms_of: Final = attrgetter("kind", "topic", "at", "agent", "attempt", "detail")
"""All that is the same for the events of an entry."""


def entries_of(events: Iterable[JournalEvent]) -> tuple[JournalEntry, ...]:
    """As few entries as keep the events in their order."""
    return tuple(
        JournalEntry(
            kind=kind,
            topic=topic,
            at=at,
            task_ids=tuple([event.task_id for event in alike]),
            agent=agent,
            attempt=attempt,
            detail=detail,
        )
        for (kind, topic, at, agent, attempt, detail), alike in groupby(events, _terms_of)
    )


def joined(entries: Sequence[JournalEntry]) -> tuple[JournalEntry, ...]:
    """The same events in as few entries as keep their order."""
    if len(entries) < 2:  # noqa: PLR2004 - what is alone is as few as can be
        return tuple(entries)
    found: list[JournalEntry] = []
    for _, alike in groupby(entries, _terms_of):
        first, *more = alike
        task_ids = chain(first.task_ids, *(entry.task_ids for entry in more))
        found.append(replace(first, task_ids=tuple(task_ids)) if more else first)
    return tuple(found)
