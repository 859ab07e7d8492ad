"""Statements that take many rows at once, with what these share bound once.

A statement for each row would cost more than what it does: each is looked up among the prepared ones, pushes others out
there, lets go of the interpreter and takes it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.rows import Row

_SIZES: Final = (100, 10, 1)
"""How many rows a statement takes: few texts, so that each is prepared once."""

Statements = Mapping[int, str]
"""The same for each number of rows."""


def for_many(statement: Callable[[str], str], columns: Sequence[str]) -> Statements:
    """The statement over a table `given` of these columns, which are bound row by row before what it binds itself."""
    row = f"({', '.join('?' * len(columns))})"
    return {
        size: statement(f"WITH given ({', '.join(columns)}) AS (VALUES {', '.join([row] * size)})") for size in _SIZES
    }


def write_many(cursor: apsw.Cursor, statements: Statements, rows: Sequence[Row], shared: Row = ()) -> int:
    """How many rows it changed."""
    changed = 0
    for chunk in _chunks(rows):
        cursor.execute(statements[len(chunk)], (*chain.from_iterable(chunk), *shared))
        changed += cursor.connection.changes()
    return changed


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
