"""What apsw and the operating system report, as OmniDaemon's own errors."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import apsw

from omnidaemon.domain.errors import BackendError, BackendUnavailable, BackendUnusable, InvalidValue

BACKEND: Final = "sqlite"


class StoredOrNot(BackendUnavailable):
    """A write failed so late that it may have been stored all the same.

    Such is an input/output error of a COMMIT: it may have come when the last frame was in the write-ahead log already,
    as with fsync(2). If every user of the file dies before that frame is overwritten, the next one finds it whole and
    takes it for committed (https://sqlite.org/fileformat2.html#walread). All other errors come before the last frame.
    """


LATE_FAULTS: Final = (apsw.IOError, apsw.CantOpenError, apsw.NoMemError)
"""What a COMMIT may raise when it is nearly done."""


_NEAR: Final = 20
_LOCKED = "another program has kept it locked for too long"
_LOCKED_HINT = "find who holds it (`fuser`), for instance a database browser with an open transaction; then try again"
_FULL_HINT = "free some space; nothing of this call was stored"
_RESTORE_HINT = "keep a copy of the file, then restore a backup, or move it away to begin anew"
_READ_ONLY_HINT = "give this user the right to write to the file and to its folder"

# Every class that SQLite may raise because of the world outside. What is missing here is a mistake in a statement.
_TRANSIENT: Final[dict[type[apsw.Error], tuple[str, str]]] = {
    apsw.BusyError: (_LOCKED, _LOCKED_HINT),
    apsw.LockedError: (_LOCKED, _LOCKED_HINT),
    apsw.ProtocolError: (_LOCKED, _LOCKED_HINT),
    apsw.FullError: ("no space is left on its disk", _FULL_HINT),
    apsw.IOError: ("its disk reports an input/output error", "look at the system's log"),
    apsw.CantOpenError: ("it cannot be opened", "look at its folder, its rights and the number of open files"),
    apsw.NoMemError: ("no memory is left", ""),
    apsw.InterruptError: ("the statement was interrupted", ""),
}
_PERMANENT: Final[dict[type[apsw.Error], tuple[str, str]]] = {
    apsw.NotADBError: ("it is not an SQLite database", "choose another path; the file was left as it is"),
    apsw.CorruptError: ("it is corrupt", _RESTORE_HINT),
    apsw.FormatError: ("it is corrupt", _RESTORE_HINT),
    apsw.ReadOnlyError: ("it is read-only", _READ_ONLY_HINT),
    apsw.PermissionsError: ("it is read-only", _READ_ONLY_HINT),
    apsw.AuthError: ("the access was refused", _READ_ONLY_HINT),
}
_TRANSIENT_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}
)


def translated(error: apsw.Error, path: Path) -> BackendError:
    """Give the error that a caller shall see for one of apsw's.

    `BackendUnavailable` where the same call may succeed later, `BackendUnusable` where somebody must mend the file,
    and a plain `BackendError` for a mistake in a statement (a missing table, a constraint that nobody handled).
    """
    location = str(path)
    for kind in type(error).__mro__:
        if kind in _TRANSIENT:
            reason, hint = _TRANSIENT[kind]
            return BackendUnavailable(BACKEND, location, f"{reason} ({error})", hint)
        if kind in _PERMANENT:
            reason, hint = _PERMANENT[kind]
            return BackendUnusable(BACKEND, location, f"{reason} ({error})", hint)
    return BackendError(BACKEND, location, f"{type(error).__name__}: {error}")


def translated_os_error(error: OSError, path: Path) -> BackendError:
    """Give the error for a folder or a file that the operating system refuses."""
    reason = error.strerror or str(error)
    if error.errno in _TRANSIENT_ERRNOS:
        hint = _FULL_HINT if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        return BackendUnavailable(BACKEND, str(path), reason, hint)
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = "there is a file where its folder should be"
    hint = _READ_ONLY_HINT if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else "choose another path"
    return BackendUnusable(BACKEND, str(path), reason, hint)


def passed_on(error: BaseException, path: Path) -> BaseException:
    """Give what a coroutine shall see of an error that came up in a thread of this package: no apsw error among it."""
    if isinstance(error, apsw.Error):
        fault = translated(error, path)
        fault.__cause__ = error
        return fault
    if isinstance(error, UnicodeEncodeError):
        near = error.object[max(0, error.start - _NEAR) : error.end + _NEAR]
        wrong = InvalidValue("text", near, "whole characters, not half of a surrogate pair")
        wrong.__cause__ = error
        return wrong
    if isinstance(error, StopIteration):  # no future can carry it
        wrapped = RuntimeError(f"raised StopIteration: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error


def stored_or_not(path: Path, reason: str, hint: str = "") -> StoredOrNot:
    """Give the error for calls of which it is not known whether they were stored."""
    return StoredOrNot(BACKEND, str(path), f"{reason}; what was written may have been stored or not", hint)


def leaves_connection_in_doubt(error: apsw.Error) -> bool:
    """Say whether a connection that met this error is better replaced than used again."""
    return isinstance(error, apsw.IOError | apsw.CantOpenError | apsw.CorruptError | apsw.NotADBError | apsw.NoMemError)


def forked(path: Path) -> BackendUnusable:
    """Give the error for a database that was opened before a fork: its threads don't exist in the child."""
    hint = "make a new Database in the child, or start it by `spawn`"
    return BackendUnusable(BACKEND, str(path), "it was opened before this process was forked", hint)


def not_open(path: Path) -> BackendUnavailable:
    """Give the error for a call on a database that nobody has opened, or that is closed by now."""
    return BackendUnavailable(BACKEND, str(path), "it is not open", "call open() first, or use `async with`")
