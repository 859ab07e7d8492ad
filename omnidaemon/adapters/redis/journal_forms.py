"""The journal as the server keeps it, and back.

An entry holds events that are alike but for their tasks, which nearly all of a batch are: what they share is made, sent
and kept once. Its id is the position of the first; those of the others follow on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

import orjson

from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.texts import storable

_LIKENESS: Final = attrgetter("kind", "topic", "agent", "attempt", "detail", "at")
"""All of an event but its task and its position."""


def entries_of(events: Iterable[JournalEvent]) -> Iterator[tuple[bytes, list[str]]]:
    """What the events of an entry share, and their tasks, in order; as few entries as keep that order. The time is read
    by the script `trim` too."""
    for (kind, topic, agent, attempt, detail, at), alike in groupby(events, _LIKENESS):
        terms = orjson.dumps((kind, topic, agent, attempt, storable(detail), micros(at)))
        yield terms, [event.task_id for event in alike]


def tasks_of(task_ids: Sequence[str]) -> bytes:
    """The tasks of an entry as it keeps them."""
    return orjson.dumps(task_ids)


def events_of(first: int, terms: bytes, tasks: bytes) -> list[JournalEvent]:
    """All events of the entry that begins at this position."""
    task_ids: list[str] = orjson.loads(tasks)
    return [event_of(position, task_id, terms) for position, task_id in enumerate(task_ids, first)]


def event_of(position: int, task_id: str, terms: bytes) -> JournalEvent:
    """One event of an entry."""
    return JournalEvent.kept(position, task_id, orjson.loads(terms))
