"""The journal as the server keeps it, and back.

An entry holds events that are alike but for their tasks, which nearly all of a batch are: what they share is made, sent
and kept once. Its id is the position of the first; those of the others follow on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import JournalEntry, JournalEvent
from omnidaemon.domain.texts import storable


def words_of(entry: JournalEntry) -> Sequence[Any]:
    """What its events share, and their tasks as they are kept. The time is read by the script `trim` too."""
    terms = (entry.kind, entry.topic, entry.agent, entry.attempt, storable(entry.detail), micros(entry.at))
    return (orjson.dumps(terms), orjson.dumps(entry.task_ids))


def events_of(first: int, terms: bytes, tasks: bytes) -> list[JournalEvent]:
    """All events of the entry that begins at this position."""
    task_ids: list[str] = orjson.loads(tasks)
    return [event_of(position, task_id, terms) for position, task_id in enumerate(task_ids, first)]


def event_of(position: int, task_id: str, terms: bytes) -> JournalEvent:
    """One event of an entry."""
    return JournalEvent.kept(position, task_id, orjson.loads(terms))
