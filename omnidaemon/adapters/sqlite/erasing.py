"""Emptying a file of everything that a namespace holds."""

from __future__ import annotations

from typing import Final

import apsw

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring

_KEPT: Final = frozenset({"boots", "counters"})
"""The machine's, and what numbers go on from, so that whoever follows events by their position misses none."""

_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"


async def erase(database: Database) -> None:
    """In one transaction; then the file, which stays, since others may have it open, is rid of what can still be read
    in it."""
    await database.write(_empty, rings=Ring.EVERYBODY)
    await database.compact()


def _empty(cursor: apsw.Cursor) -> None:
    tables = {name for (name,) in cursor.execute(_TABLES)}
    for table in sorted(tables - _KEPT):
        cursor.execute(f'DELETE FROM "{table}"')
