"""The file's own schema version: who it belongs to, which steps it has seen, and the steps that are left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from omnidaemon.adapters.sqlite.faults import BACKEND
from omnidaemon.domain.errors import BackendUnusable

APPLICATION_ID: Final = 0x4F6D6E69  # "Omni", at byte 68 of the file's header (https://sqlite.org/fileformat2.html)


def migrate(connection: apsw.Connection, path: Path, migrations: Sequence[str], application_id: int) -> None:
    """Bring the file to the schema version `len(migrations)`, in write-ahead mode; raises apsw.Error.

    Step n is one SQL script and leads from version n to n + 1, in one transaction, so that a process killed in between
    leaves either the one or the other. Several processes may do this at once: each step looks again, in its
    transaction, at what is left to do. Foreign, newer and read-only files raise `BackendUnusable` before anything is
    written.
    """
    _refuse_foreign(connection, path, len(migrations), application_id)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        reason = f"its file system allows no write-ahead log (it stays {mode!r})"
        raise BackendUnusable(BACKEND, str(path), reason, "choose a path on a local disk")
    while _step(connection, path, migrations, application_id):
        pass


def _step(connection: apsw.Connection, path: Path, migrations: Sequence[str], application_id: int) -> bool:
    """Take one step; False when none is left."""
    if _version_and_owner(connection) == (len(migrations), application_id):
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        _refuse_foreign(connection, path, len(migrations), application_id)
        version, _ = _version_and_owner(connection)
        if version < len(migrations):
            connection.execute(migrations[version]).fetchall()
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _version_and_owner(connection: apsw.Connection) -> tuple[int, int]:
    version = connection.pragma("user_version")
    owner = connection.pragma("application_id")
    return version, owner


def _refuse_foreign(connection: apsw.Connection, path: Path, known: int, application_id: int) -> None:
    version, owner = _version_and_owner(connection)
    # Reading the schema also shows whether it can be read at all.
    has_tables = bool(connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall())
    is_new = owner == 0 and version == 0 and not has_tables
    if owner != application_id and not is_new:
        reason = "it is another application's SQLite file"
        raise BackendUnusable(BACKEND, str(path), reason, "choose another path; the file was left as it is")
    if version > known:
        reason = f"its schema has version {version}, this OmniDaemon knows up to {known}"
        raise BackendUnusable(BACKEND, str(path), reason, "upgrade omnidaemon; the file was left as it is")
