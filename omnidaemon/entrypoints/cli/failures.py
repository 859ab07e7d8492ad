"""Says what went wrong and what to do next, in a few lines on stderr; never by a traceback."""

from __future__ import annotations

import difflib
import os
import sys
import traceback

import attrs
from cyclopts import CycloptsError, MissingArgumentError, UnknownOptionError, UnusedCliTokensError

from omnidaemon.domain.errors import (
    AgentFileError,
    AgentInUse,
    ConfigurationError,
    IdempotencyConflict,
    InvalidSetting,
    InvalidValue,
    NamespaceInUse,
    OmniDaemonError,
    PublishFailed,
    TaskNotFound,
    UnknownBackend,
    UnknownSetting,
    WaitTimedOut,
)
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli.payloads import QUOTING, BrokenJson
from omnidaemon.entrypoints.cli.screen import note
from omnidaemon.entrypoints.cli.values import json_text
from omnidaemon.entrypoints.http.request_errors import Unauthorized

_ARE_OPTIONS = frozenset({"status", "kind", "limit", "cursor"})
"""What the SDK and the API call by these names are options here, wherever they occur."""


class UnknownOption(CycloptsError):
    """In words of our own: cyclopts would say its own after them."""


def report(error: BaseException, *, as_json: bool) -> None:
    """Print an error: lines for people, or one JSON object `{"error": {"type", "message", "hint"}}`; both on stderr."""
    if not isinstance(error, (OmniDaemonError, CycloptsError, OSError)):
        _report_bug(error)
    if isinstance(error, InvalidValue) and error.name in _ARE_OPTIONS:
        error = attrs.evolve(error, name=f"--{error.name}")
    if isinstance(error, UnknownOptionError):
        error = UnknownOption(msg=_unknown_option(error), command_chain=error.command_chain)
    if as_json:
        sys.stderr.write(json_text(shapes.failure(error, _advice(error))) + "\n")
        return
    note(f"omni: {_message(error)}")
    if advice := _advice(error):
        note(f"      {advice}")


def _message(error: BaseException) -> str:
    match error:
        case BrokenJson():
            return f"{error}{error.excerpt}"
        case OmniDaemonError() | CycloptsError() | OSError():
            return str(error)
        case _:
            return f"unexpected {type(error).__name__}: {error}"


def _unknown_option(error: UnknownOptionError) -> str:
    """Names the option that is meant, or else all that there are. Compared without their dashes, which every two
    options share: cyclopts takes --count for --json by them."""
    given = (error.token.keyword or error.token.value).partition("=")[0]
    known = [name for each in error.argument_collection if each.show for name in each.names if name.startswith("-")]
    bare = {name.lstrip("-"): name for name in known}
    meant = difflib.get_close_matches(given.lstrip("-"), bare, n=1)
    hint = f"Did you mean {bare[meant[0]]}?" if meant else f"There are {', '.join(known)}."
    return f"Unknown option: {given}. {hint}"


def _advice(error: BaseException) -> str:
    match error:
        case UnusedCliTokensError() if error.command_chain and error.command_chain[:2] == ("task", "publish"):
            return QUOTING
        case BrokenJson():
            return error.advice
        case MissingArgumentError(command_chain=("dlq", "purge" | "requeue" as deed)):
            return f"of one topic at a time: `omni dlq {deed} TOPIC --all`; `omni dlq list` shows where there are any"
        case CycloptsError():
            chain = " ".join(["omni", *(error.command_chain or ())])
            return f"`{chain} --help` shows how it is used"
        case WaitTimedOut():
            return f"`omni task show` tells of each attempt; look later: omni task result {error.task_id}"
        case IdempotencyConflict():
            return f"omni task show {error.task_id} shows that payload; another task needs another key"
        case OmniDaemonError() | OSError():
            return next((advice for kind, advice in _ADVICE if isinstance(error, kind)), "")
        case _:
            return "this should not happen; with OMNIDAEMON_LOG_LEVEL=DEBUG the traceback is shown"


# The first that fits is taken: the special before the general.
_ADVICE: tuple[tuple[type[OmniDaemonError], str], ...] = (
    (TaskNotFound, "`omni task list` shows those that are known; `omni config show` where they are looked for"),
    (NamespaceInUse, "`omni worker list` shows them, `omni worker drain --all` has them leave; or give --force"),
    (AgentInUse, "`omni worker list` shows them, `omni worker drain ID` has one leave; or give --force"),
    (Unauthorized, "give the key by --api-key or OMNIDAEMON_API_KEY"),
    # Each says where its value comes from, and with some of them `omni config show` cannot work either.
    *((kind, "") for kind in (AgentFileError, InvalidSetting, UnknownSetting, UnknownBackend)),
    (ConfigurationError, "`omni config show` shows each setting and where it comes from"),
    (PublishFailed, "`omni health` shows the state of bus and store"),
)


def _report_bug(error: BaseException) -> None:
    # Settings may be what failed, so the environment is asked directly.
    if os.environ.get("OMNIDAEMON_LOG_LEVEL", "").upper() in {"DEBUG", "TRACE"}:
        traceback.print_exception(error)
