"""Runs that move alike, which nearly all of a batch do, are written together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.many_rows import for_many, write_many
from omnidaemon.adapters.sqlite.rows import LIKENESS, OWN_STATE, SHARED_STATE, own_of, shared_of
from omnidaemon.domain.run import Run
from omnidaemon.ports.codec import Codec

Place = tuple[int, int]
"""A run's row number, which is never given twice, and how often the row was changed."""


class Refuted(Exception):
    """The tables are not as the caller believed: nothing of its call is written, and it has to look."""


_OWN: Final = ", ".join(OWN_STATE)


def _adding(condition: str) -> str:
    return f"""
        INSERT INTO runs (run_id, position, task_id, {_OWN}, entries, topic, agent, {", ".join(SHARED_STATE)})
        SELECT run_id, position, task_id, {_OWN}, entries, ?, ?{", ?" * len(SHARED_STATE)}
        FROM given CROSS JOIN tasks USING (task_id) WHERE {condition}
        ON CONFLICT (task_id, agent) DO NOTHING
    """


_IS_FRESH: Final = """
    is_cancelled = 0 AND agents IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM tombstones WHERE tombstones.task_id = tasks.task_id)
"""
"""Of a task: that it is logged with its agents, and that nothing forbids to begin it."""

_ADD: Final = for_many(lambda given: given + _adding("true"), ("run_id", "task_id", *OWN_STATE, "entries"))
_ADD_IF_FRESH: Final = for_many(lambda given: given + _adding(_IS_FRESH), ("run_id", "task_id", *OWN_STATE, "entries"))
_SET: Final = ", ".join((*(f"{name} = given.{name}" for name in OWN_STATE), *(f"{name} = ?" for name in SHARED_STATE)))
_MOVE: Final = for_many(
    lambda given: (
        f"""
        {given} UPDATE runs SET revision = runs.revision + 1, entries = runs.entries || given.entries, {_SET}
        FROM given WHERE runs.run_id = given.run_id AND runs.revision = given.revision
    """
    ),
    ("run_id", "revision", *OWN_STATE, "entries"),
)


def alike(runs: Iterable[Run]) -> Iterable[list[Run]]:
    """The runs in groups that differ by nothing but their tasks and `OWN_STATE`."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(LIKENESS(run), []).append(run)
    return groups.values()


def add(
    cursor: apsw.Cursor, runs: Sequence[Run], entries: Sequence[str], first_id: int, codec: Codec, *, if_fresh: bool
) -> None:
    """Insert runs that are alike under row numbers from this one on, each with where its journal entries stand; raises
    `Refuted` where one exists, its task is not logged, or, with `if_fresh`, something forbids to begin it."""
    numbered = zip(range(first_id, first_id + len(runs)), runs, entries, strict=True)
    rows = [(number, run.task_id, *own_of(run), entry) for number, run, entry in numbered]
    subscription = runs[0].subscription
    shared = (subscription.topic, subscription.agent, *shared_of(runs[0], codec))
    if write_many(cursor, _ADD_IF_FRESH if if_fresh else _ADD, rows, shared) < len(rows):
        raise Refuted


def move(
    cursor: apsw.Cursor, runs: Sequence[Run], entries: Sequence[str], places: Sequence[Place], codec: Codec
) -> None:
    """Write runs that are alike over those at these places, each with where its new journal entries stand; raises
    `Refuted` where one is no longer there so."""
    rows = [(*at, *own_of(run), entry) for at, run, entry in zip(places, runs, entries, strict=True)]
    if write_many(cursor, _MOVE, rows, shared_of(runs[0], codec)) < len(rows):
        raise Refuted
