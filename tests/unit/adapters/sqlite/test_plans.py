"""How SQLite carries out each statement: by an index, so that a million rows cost no more than a hundred."""

from __future__ import annotations

import importlib
import re

import apsw
import pytest

from omnidaemon.adapters.sqlite.schema import MIGRATIONS

MODULES = (
    "bus",
    "entries",
    "holds",
    "inbox",
    "journal",
    "leases",
    "ledger",
    "outbox",
    "outbox_rows",
    "listing",
    "moves",
    "reading",
    "registry",
    "retention",
    "run_queries",
    "run_store",
    "schedules",
    "task_log",
    "unbegun",
)
MAY_BE_MANY = (
    "outbox",
    "tasks",
    "runs",
    "journal_entries",
    "journal_places",
    "bus_messages",
    "unbegun",
    "schedules",
    "tombstones",
    "idempotency_keys",
)
# An index of what runs just now may be read whole: that is bounded by what the workers can hold.
COUNTS = {("run_queries", "_COUNTS"), ("bus", "_DEPTHS")}
"""They read all entries of an index, and none of the rows."""


def statements():
    for name in MODULES:
        module = importlib.import_module(f"omnidaemon.adapters.sqlite.{name}")
        for key, found in vars(module).items():
            # Of those that exist for several numbers of rows, one.
            text = found.get(1) if isinstance(found, dict) else found
            if (
                key.isupper()
                and isinstance(text, str)
                and re.match(r"\s*(WITH given|SELECT|UPDATE|DELETE|INSERT)\b", text)
            ):
                yield pytest.param(name, key, text, id=f"{name}.{key}")


def nothing_for(text):
    """NULL for whatever the statement binds."""
    if names := re.findall(r":(\w+)", text):
        return dict.fromkeys(names)
    numbers = [int(number) for number in re.findall(r"\?(\d+)", text)]
    return [None] * max(numbers, default=text.count("?"))


@pytest.fixture(scope="module")
def connection():
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS:
        connection.execute(migration)
    yield connection
    connection.close()


@pytest.mark.parametrize(("module", "key", "text"), list(statements()))
def test_plan_reads_no_table_from_end_to_end(connection, module, key, text):
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", nothing_for(text))]
    for step in plan:
        words = step.split()
        if words[0] == "SCAN" and words[1] in MAY_BE_MANY and words[-1] != "runs_running":
            assert "COVERING INDEX" in step, plan
            assert (module, key) in COUNTS, plan
    assert not any("AUTOMATIC" in step for step in plan), plan
