"""A task's history as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime

from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.entrypoints.history import retold


def test_each_event_has_the_number_of_its_own_attempt():
    """What failed or crashed is numbered by the attempt that did, for each agent by itself, anew after a requeue."""
    journal = [
        ("published", None, 0, 0),
        ("held", "a", 1, 0),
        ("started", "a", 1, 1),
        ("started", "b", 1, 1),
        ("crashed", "a", 2, 1),
        ("started", "a", 2, 2),
        ("retried", "a", 3, 2),
        ("succeeded", "b", 1, 1),
        ("started", "a", 3, 3),
        ("dead", "a", 3, 3),
        ("requeued", "a", 1, 0),
        ("started", "a", 1, 1),
    ]
    events = [
        JournalEvent(kind=EventKind(kind), task_id="t", topic="t", agent=agent, attempt=attempt, at=datetime.now(UTC))
        for kind, agent, attempt, _ in journal
    ]
    assert [event.attempt for event in retold(events)] == [told for *_, told in journal]
