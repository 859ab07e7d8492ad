"""The table from errors to exit codes."""

from __future__ import annotations

import inspect

import pytest
from cyclopts import CycloptsError

from omnidaemon.domain import errors
from omnidaemon.entrypoints.cli.exit_codes import ExitCode, exit_code
from omnidaemon.entrypoints.http.request_errors import HostNotAllowed, InsufficientScope, Unauthorized

PUBLIC = {
    "OmniDaemonError": 1,
    "InvalidInput": 2,
    "InvalidName": 2,
    "InvalidValue": 2,
    "PayloadNotJson": 2,
    "PayloadTooLarge": 2,
    "AgentBusy": 1,
    "AgentInUse": 1,
    "NamespaceInUse": 1,
    "NamespaceNotFound": 3,
    "NotErasable": 1,
    "DuplicateAgent": 2,
    "ConfigurationError": 2,
    "InvalidSetting": 2,
    "UnknownSetting": 2,
    "UnknownBackend": 2,
    "MissingExtra": 2,
    "MismatchedPair": 2,
    "AgentFileError": 2,
    "NotFound": 3,
    "TaskNotFound": 3,
    "AgentNotFound": 3,
    "WorkerNotFound": 3,
    "NotificationNotFound": 3,
    "Conflict": 1,
    "WrongState": 1,
    "IdempotencyConflict": 1,
    "StaleRequest": 1,
    "AlreadyStarted": 1,
    "BlockingCall": 1,
    "NotMainThread": 1,
    "WaitTimedOut": 5,
    "BackendError": 4,
    "BackendUnavailable": 4,
    "DataLost": 4,
    "BackendUnusable": 4,
    "PublishFailed": 4,
    "NobodyListens": 1,
}


def bare(kind):
    """An error without its attributes: the table looks at the class alone."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    "kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
)
def test_every_error_has_its_code(kind):
    """Nobody adds an error without deciding how the command ends."""
    assert exit_code(bare(kind)) == PUBLIC[kind.__name__]


def test_what_is_not_ours_has_a_code_too():
    """Wrong use, Ctrl-C, a broken pipe; and everything unexpected has failed."""
    assert exit_code(CycloptsError()) is ExitCode.WRONG_USE
    assert exit_code(KeyboardInterrupt()) is ExitCode.INTERRUPTED
    assert exit_code(BrokenPipeError()) is ExitCode.BROKEN_PIPE
    assert exit_code(KeyError()) is ExitCode.FAILED


@pytest.mark.parametrize(
    "error", [Unauthorized(is_given=False), InsufficientScope("admin", "ops"), HostNotAllowed("x")]
)
def test_what_an_api_refuses_is_wrong_use(error):
    """A key or a name that is missing is a setting that cannot work."""
    assert exit_code(error) is ExitCode.WRONG_USE
