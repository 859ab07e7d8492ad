"""Which agents have still to begin which tasks: kept for the listings, beside whatever changes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.many_rows import for_many, write_many
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.run import RunKey

Line = tuple[str, str, int]
"""Topic, agent, and the task's position; agent "" where nobody in particular has to begin it."""

_EXPECT: Final = for_many(
    lambda given: f"{given} INSERT OR IGNORE INTO unbegun (topic, agent, position) SELECT * FROM given",
    ("topic", "agent", "position"),
)
_EXPECT_UNLESS_BEGUN: Final = """
    INSERT OR IGNORE INTO unbegun (topic, agent, position) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (
        SELECT 1 FROM tasks JOIN runs USING (task_id) WHERE tasks.position = ?3 AND runs.agent = ?2
    )
"""
_EXPECT_ANYBODY: Final = """
    INSERT OR IGNORE INTO unbegun (topic, agent, position)
    SELECT topic, '', position FROM tasks WHERE task_id = ? AND NOT is_cancelled
"""
_EXPECT_NOBODY_MORE: Final = """
    DELETE FROM unbegun WHERE (topic, agent, position) = (
        SELECT topic, '', position FROM tasks WHERE task_id = ? AND is_cancelled
    )
"""
_EXPECT_NO_MORE: Final = """
    DELETE FROM unbegun WHERE (topic, agent, position) = (SELECT topic, ?2, position FROM tasks WHERE task_id = ?1)
"""
_DROP: Final = "DELETE FROM unbegun WHERE topic = ? AND agent = ? AND position = ?"
_DROP_BEGUN: Final = """
    DELETE FROM unbegun WHERE topic = ? AND agent = ?
    AND position IN (SELECT position FROM runs WHERE run_id BETWEEN ? AND ?)
"""


def expect(cursor: apsw.Cursor, lines: Sequence[Line]) -> None:
    """These agents have to begin these tasks."""
    write_many(cursor, _EXPECT, lines)


def expect_unless_begun(cursor: apsw.Cursor, lines: Iterable[Line]) -> None:
    """As `expect`, where there is no run of it yet."""
    cursor.executemany(_EXPECT_UNLESS_BEGUN, lines)


def expect_anybody(cursor: apsw.Cursor, task_ids: Iterable[str]) -> None:
    """Nobody in particular has to begin these tasks, but for those that are cancelled."""
    cursor.executemany(_EXPECT_ANYBODY, [(task_id,) for task_id in task_ids])


def expect_nobody_more(cursor: apsw.Cursor, task_ids: Iterable[str]) -> None:
    """Nobody in particular has to begin those of these tasks that are cancelled."""
    cursor.executemany(_EXPECT_NOBODY_MORE, [(task_id,) for task_id in task_ids])


def expect_no_more(cursor: apsw.Cursor, keys: Iterable[RunKey]) -> None:
    """These agents need not begin these tasks."""
    cursor.executemany(_EXPECT_NO_MORE, keys)


def begun(cursor: apsw.Cursor, subscription: Subscription, first_id: int, last_id: int) -> None:
    """The agent has begun the tasks of the runs with these row numbers."""
    cursor.execute(_DROP_BEGUN, (subscription.topic, subscription.agent, first_id, last_id))


def drop(cursor: apsw.Cursor, lines: Iterable[Line]) -> None:
    """Nothing of these is expected."""
    cursor.executemany(_DROP, lines)
