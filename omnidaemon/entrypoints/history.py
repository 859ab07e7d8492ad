"""A task's history as a person reads it: each event with the number of the attempt that it is about."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from omnidaemon.domain.journal import EventKind, JournalEvent


def retold(events: Iterable[JournalEvent]) -> list[JournalEvent]:
    """The events, oldest first, where what became of an attempt carries that attempt's number.

    The journal numbers what failed, crashed or was given back by the attempt that comes next.
    """
    told: list[JournalEvent] = []
    begun: dict[str | None, int] = {}
    for event in events:
        if event.kind is EventKind.STARTED:
            begun[event.agent] = event.attempt
        elif event.kind is EventKind.REQUEUED:
            begun.pop(event.agent, None)
        told.append(attrs.evolve(event, attempt=begun.get(event.agent, _before_any(event))))
    return told


def _before_any(event: JournalEvent) -> int:
    return 0 if event.kind in (EventKind.HELD, EventKind.REQUEUED) else event.attempt
