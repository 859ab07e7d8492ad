"""How one SQLite file is opened: where its companions lie, and what each connection is set to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw
import attrs

from omnidaemon.adapters.sqlite.faults import BACKEND, passed_on, translated_os_error
from omnidaemon.adapters.sqlite.mounts import refuse_network_file_system
from omnidaemon.domain.errors import BackendUnusable

_STATEMENTS_KEPT: Final = 256
_PRAGMAS: Final = (
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",  # KiB
    "PRAGMA journal_size_limit = 67108864",  # after a burst the write-ahead log gives its space back
)


@attrs.frozen(kw_only=True)
class DatabaseFile:
    """One SQLite file and the folder beside it, where its users meet (locks, FIFOs)."""

    path: Path
    busy_timeout_seconds: float = 5.0
    allows_network_file_system: bool = False

    @property
    def meeting_folder(self) -> Path:
        """The folder of the turnstile and the doorbell; nothing in it outlives its users' need."""
        return self.path.with_name(f"{self.path.name}-live")

    def make_room(self) -> None:
        """Make the folders, for this user alone; what exists is left as it is.

        Raises `BackendUnusable` for a network file system and where this user may not write, and
        `BackendUnavailable` for a full disk.
        """
        if not self.allows_network_file_system:
            refuse_network_file_system(self.path)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.meeting_folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise translated_os_error(error, self.path) from error

    def connect(self, *, is_new_allowed: bool) -> apsw.Connection:
        """Open a connection for writing; raises apsw.Error.

        A connection that replaces another must not make a new file, which would hide that the old one is gone.
        """
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
        if is_new_allowed:
            flags |= apsw.SQLITE_OPEN_CREATE
        return self._connect(flags)

    def connect_reader(self) -> apsw.Connection:
        """Open a connection that refuses to write; raises apsw.Error."""
        # Not SQLITE_OPEN_READONLY: such a one cannot recover the write-ahead log that a killed process has left.
        connection = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def compact(self) -> None:
        """Write the file anew without what was deleted, and empty its write-ahead log; blocks."""
        try:
            connection = self.connect(is_new_allowed=False)
            try:
                connection.execute("VACUUM").fetchall()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()
        except apsw.Error as error:
            raise passed_on(error, self.path) from error

    def identity(self) -> tuple[int, int]:
        """Give what tells this file from another that has taken its place; raises as `gone` says if there is none."""
        try:
            state = self.path.stat()
        except FileNotFoundError:
            raise self.gone() from None
        except OSError as error:
            raise translated_os_error(error, self.path) from error
        return state.st_dev, state.st_ino

    def gone(self) -> BackendUnusable:
        """Give the error for a file that is no longer in its place: what is written to it would be lost."""
        hint = "stop all that use it, put it back together with its -wal file, and start again"
        return BackendUnusable(BACKEND, str(self.path), "it was moved, deleted or replaced while in use", hint)

    def _connect(self, flags: int) -> apsw.Connection:
        # modeof: a new file gets the rights of the turnstile's, whatever the umask is. To create it here first would
        # be worse: closing any descriptor of a file frees all locks that this process holds on it (fcntl(2)).
        rights = quote(str(self.meeting_folder.absolute() / "queue"))
        uri = f"{self.path.absolute().as_uri()}?modeof={rights}"
        connection = apsw.Connection(uri, flags=flags, statementcachesize=_STATEMENTS_KEPT)
        try:
            connection.set_busy_timeout(round(self.busy_timeout_seconds * 1000))
            for pragma in _PRAGMAS:
                connection.execute(pragma).fetchall()
        except BaseException:
            connection.close(force=True)
            raise
        return connection

    def refuse_read_only(self, connection: apsw.Connection) -> None:
        """Raise `BackendUnusable` when the file could be opened, but not for writing."""
        if connection.readonly("main") or not os.access(self.path.parent, os.W_OK):
            hint = "give this user the right to write to the file and to its folder"
            raise BackendUnusable(BACKEND, str(self.path), "it is read-only", hint)
