"""What a listing says of each task, in a line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.values import replace
from omnidaemon.entrypoints.cli.task_views import dead_letters_table, tasks_table
from omnidaemon.entrypoints.cli.views import Table

RUN = TaskResult(
    task_id="t1", topic="greet", agent="greeter", status=Status.SUCCEEDED, created_at=datetime(2030, 1, 1, tzinfo=UTC)
)
NOVEL = AttemptError(type="ValueError", message="once\n\x1b[31mupon a time " + "and then " * 200)


def only_cell(table: Table, column: str):
    (row,) = table.rows
    return row[table.columns.index(column)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "null"),
        ({"result": {"a": None}}, '{"a": null}'),
        ({"result": ""}, ""),
        ({"status": Status.RUNNING}, ""),
        ({"status": Status.QUEUED}, ""),
        ({"status": Status.DEAD, "error": AttemptError(type="KeyError", message="'name'")}, "KeyError: 'name'"),
        ({"status": Status.CANCELLED}, ""),
    ],
)
def test_what_a_task_came_to(changes, told):
    """Its value, one of null too, or its error; what has none has an empty cell."""
    cell = only_cell(tasks_table([replace(RUN, **changes)]), "outcome")
    assert (cell.text, cell.for_people) == (told, told)


@pytest.mark.parametrize(("table_of", "column"), [(tasks_table, "outcome"), (dead_letters_table, "error")])
def test_a_long_reason_fills_no_listing(table_of, column):
    """One line, cut; its end is left to `show`."""
    dead = replace(RUN, status=Status.DEAD, error=NOVEL)
    cell = only_cell(table_of([replace(dead, runs=(dead,))]), column)
    assert cell.text.startswith("ValueError: once upon a time and then")
    assert (len(cell.text), cell.text[-1], len(cell.for_people)) == (300, "…", 60)
