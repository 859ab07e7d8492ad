"""What the command's exit says: one table from the kind of error to the code."""

from __future__ import annotations

from enum import IntEnum

from cyclopts import CycloptsError

from omnidaemon.domain.errors import (
    BackendError,
    ConfigurationError,
    InvalidInput,
    NobodyListens,
    NotFound,
    PublishFailed,
    WaitTimedOut,
)
from omnidaemon.entrypoints.http.request_errors import Forbidden, Unauthorized


class ExitCode(IntEnum):
    """The codes of `omni`, as its documentation promises them."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    TIMED_OUT = 5
    INTERRUPTED = 130  # as a shell says it of SIGINT
    BROKEN_PIPE = 141  # and of SIGPIPE


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (CycloptsError, ExitCode.WRONG_USE),
    (InvalidInput, ExitCode.WRONG_USE),
    (ConfigurationError, ExitCode.WRONG_USE),
    (NotFound, ExitCode.NOT_FOUND),
    (Unauthorized, ExitCode.WRONG_USE),
    (Forbidden, ExitCode.WRONG_USE),
    (BackendError, ExitCode.UNREACHABLE),
    (NobodyListens, ExitCode.FAILED),
    (PublishFailed, ExitCode.UNREACHABLE),
    (WaitTimedOut, ExitCode.TIMED_OUT),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (BrokenPipeError, ExitCode.BROKEN_PIPE),
)


def exit_code(error: BaseException) -> ExitCode:
    """The code for an error; `FAILED` for every other kind."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
