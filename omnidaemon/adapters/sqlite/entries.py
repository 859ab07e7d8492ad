"""The journal's entries: events that are alike but for their tasks, which nearly all of a batch are, are one.

It stands under the position of its first event; those of the others follow on it. Where a task's events are is kept
with the task and its runs, which are written anyway, and in a table of its own where there are none or they are many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import orjson

from omnidaemon.adapters.sqlite.reading import as_array
from omnidaemon.adapters.sqlite.rows import SHARED_OF_ENTRY, shared_of_entry
from omnidaemon.domain.journal import JournalEntry, JournalEvent
from omnidaemon.domain.run import RunKey

_LARGEST: Final = 100
"""How many events an entry has at most: to find that of one task, all of its tasks are read."""

_COLUMNS: Final = ", ".join(("position", *SHARED_OF_ENTRY, "task_ids"))
_ADD: Final = f"INSERT INTO journal_entries ({_COLUMNS}) VALUES (?, {'?, ' * len(SHARED_OF_ENTRY)}?)"
_ALL: Final = f"SELECT {_COLUMNS} FROM journal_entries WHERE position > ? ORDER BY position"
_OF_TASK: Final = f"""
    SELECT {_COLUMNS} FROM journal_entries WHERE position > :from AND position IN (
        SELECT entry FROM tasks WHERE task_id = :task_id
        UNION ALL
        SELECT value FROM runs CROSS JOIN json_each('[' || substr(entries, 2) || ']') WHERE task_id = :task_id
        UNION ALL
        SELECT position FROM journal_places WHERE task_id = :task_id
    ) ORDER BY position
"""
_PLACE: Final = "INSERT OR IGNORE INTO journal_places (task_id, position) VALUES (?, ?)"


def _apart(condition: str) -> str:
    return f"""
        INSERT OR IGNORE INTO journal_places (task_id, position)
        SELECT task_id, value FROM runs CROSS JOIN json_each('[' || substr(entries, 2) || ']') WHERE {condition}
    """


_OLDEST: Final = "ifnull((SELECT min(position) FROM journal_entries), 0)"
_OUTLIVE_RUN: Final = _apart(f"task_id = ? AND agent = ? AND value >= {_OLDEST}")
_OUTLIVE_RUNS: Final = _apart(f"task_id = ? AND value >= {_OLDEST}")
_OUTLIVE_TASK: Final = f"""
    INSERT OR IGNORE INTO journal_places (task_id, position)
    SELECT task_id, entry FROM tasks WHERE task_id = ? AND entry >= {_OLDEST}
"""
_SPILL: Final = _apart("run_id = ?")
_EMPTY: Final = "UPDATE runs SET entries = '' WHERE run_id = ?"

_MOST_WITH_A_RUN: Final = 16


def enter(cursor: apsw.Cursor, entries: Sequence[JournalEntry], first: int) -> list[int]:
    """Append entries, in parts that are small enough, under the positions from this one on; of each event, where its
    entry stands."""
    rows: list[Sequence[Any]] = []
    standing: list[int] = []
    for entry in entries:
        shared = shared_of_entry(entry)
        for start in range(0, len(entry.task_ids), _LARGEST):
            part = entry.task_ids[start : start + _LARGEST]
            position = first + len(standing)
            rows.append((position, *shared, as_array(part)))
            standing += [position] * len(part)
    cursor.executemany(_ADD, rows)
    return standing


def place(cursor: apsw.Cursor, places: Iterable[tuple[str, int]]) -> None:
    """Keep for these tasks where an entry of theirs stands."""
    cursor.executemany(_PLACE, places)


def spill(cursor: apsw.Cursor, places: Iterable[tuple[int, int]]) -> None:
    """Of runs at these places (row number, revision), whenever one has changed often, keep elsewhere where its entries
    stand: they would be written anew with each change."""
    full = [(run_id,) for run_id, revision in places if revision % _MOST_WITH_A_RUN == _MOST_WITH_A_RUN - 1]
    cursor.executemany(_SPILL, full)
    cursor.executemany(_EMPTY, full)


def outlive_runs(cursor: apsw.Cursor, keys: Iterable[RunKey]) -> None:
    """These runs will be gone, and their events not yet."""
    cursor.executemany(_OUTLIVE_RUN, keys)


def outlive_tasks(cursor: apsw.Cursor, task_ids: Iterable[str]) -> None:
    """These tasks with all their runs will be gone, and their events not yet."""
    keys = [(task_id,) for task_id in task_ids]
    cursor.executemany(_OUTLIVE_RUNS, keys)
    cursor.executemany(_OUTLIVE_TASK, keys)


def read(cursor: apsw.Cursor, after: int, task_id: str | None, limit: int) -> list[JournalEvent]:
    """Events with a position above this one, oldest first; of one task only, when it is named."""
    # An entry that begins before may go on behind it.
    begin = after - _LARGEST
    if task_id is None:
        rows = cursor.execute(_ALL, (begin,))
    else:
        rows = cursor.execute(_OF_TASK, {"from": begin, "task_id": task_id})
    events: list[JournalEvent] = []
    for first, *shared, task_ids in rows:
        for position, each in enumerate(orjson.loads(str(task_ids)), int(str(first))):
            if position > after and task_id in (None, each):
                events.append(JournalEvent.kept(position, each, shared))
                if len(events) == limit:
                    return events
    return events
