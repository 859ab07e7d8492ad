"""SQLite: one file for the bus and the store, without any server."""

from __future__ import annotations

from pathlib import Path

import attrs

from omnidaemon.adapters.sqlite.bus import SqliteBus
from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.schema import MIGRATIONS
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.adapters.sqlite.storage import SqliteStorage
from omnidaemon.ports.backend import BackendContext

__all__ = ["SqliteBus", "SqliteEventBus", "SqliteResultStore", "SqliteStorage", "sqlite_bus", "sqlite_storage"]


@attrs.frozen
class SqliteEventBus:
    """A factory of buses over a file of one's own; without a path, over the namespace's."""

    path: Path | str | None = None

    def __call__(self, context: BackendContext) -> SqliteBus:
        return SqliteBus(_database(context, self.path), context.clock, context.codec)


@attrs.frozen
class SqliteResultStore:
    """A factory of storages over a file of one's own; without a path, over the namespace's."""

    path: Path | str | None = None

    def __call__(self, context: BackendContext) -> SqliteStorage:
        return SqliteStorage(SqliteSpace(_database(context, self.path), context.clock, context.codec))


sqlite_bus = SqliteEventBus()
"""The bus in `<data_dir>/<namespace>.db`."""

sqlite_storage = SqliteResultStore()
"""The storage in the same file."""


def _database(context: BackendContext, path: Path | str | None) -> Database:
    """The one object of this container for the file, since one writes faster than two."""
    chosen = Path(path) if path is not None else context.data_dir / f"{context.namespace}.db"
    return context.shared.get(f"sqlite:{chosen.absolute()}", lambda: Database(chosen, migrations=MIGRATIONS))
