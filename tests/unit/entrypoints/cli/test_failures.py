"""How errors are told."""

from __future__ import annotations

import json

import pytest

from omnidaemon.domain.errors import (
    AgentFileError,
    IdempotencyConflict,
    InvalidSetting,
    InvalidValue,
    MismatchedPair,
    PublishFailed,
    TaskNotFound,
    UnknownBackend,
    UnknownSetting,
    WaitTimedOut,
)
from omnidaemon.entrypoints.cli.failures import report
from omnidaemon.entrypoints.cli.payloads import BrokenJson


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (TaskNotFound("t1"), "omni task list"),
        (WaitTimedOut("t1", 2.0, "queued"), "omni task result t1"),
        (PublishFailed("t1", "no space"), "omni health"),
        (MismatchedPair("a", "b", "they do not fit"), "omni config show"),
        (IdempotencyConflict("k", "t1"), "omni task show t1"),
    ],
)
def test_an_error_says_what_to_do_next(error, advice, capsys):
    """The message, then where to go from here; all of it on stderr."""
    report(error, as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"omni: {error}\n")
    assert advice in err


def test_an_error_in_json_is_one_object_on_stderr(capsys):
    """Stdout stays empty, so that nobody takes an error for an answer."""
    report(TaskNotFound("t1"), as_json=True)
    out, err = capsys.readouterr()
    assert out == ""
    error = json.loads(err)["error"]
    assert (error["type"], error["message"]) == ("TaskNotFound", str(TaskNotFound("t1")))
    assert "omni task list" in error["hint"]


def test_a_mistake_in_json_shows_its_place_to_people_alone(capsys):
    """A program gets a message of one line, and the hint apart from it."""
    error = BrokenJson("the payload", "expecting a name", 1, 2, "\n      {bad\n       ^")
    report(error, as_json=False)
    assert capsys.readouterr().err.splitlines()[1:3] == ["      {bad", "       ^"]
    report(error, as_json=True)
    told = json.loads(capsys.readouterr().err)["error"]
    assert told["message"] == "the payload is not JSON: expecting a name at line 1, column 2"
    assert "quote the whole payload" in told["hint"]


def test_a_wrong_option_is_told_by_its_name(capsys):
    """What the SDK calls a limit is --limit here."""
    report(InvalidValue("limit", 0, "a number from 1 to 1000"), as_json=False)
    assert capsys.readouterr().err == "omni: --limit is 0, expected a number from 1 to 1000\n"


@pytest.mark.parametrize(
    "error",
    [
        InvalidSetting("OMNIDAEMON_RESULT_TTL", "long", "a duration", "environment"),
        UnknownSetting("OMNIDAEMON_NAMESPACES", "environment"),
        UnknownBackend("bus", "kafak", ("memory",)),
    ],
)
def test_no_command_is_advised_that_the_same_error_keeps_from_working(error, capsys):
    """With broken settings `omni config show` cannot show them either: the error itself names the origin."""
    report(error, as_json=False)
    assert capsys.readouterr().err == f"omni: {error}\n"


def test_a_message_cannot_drive_the_terminal(capsys):
    """Errors quote what others wrote."""
    report(AgentFileError("a.py", "\x1b]0;title\x07broken \x1b[2J[red]x[/red]"), as_json=False)
    assert capsys.readouterr().err == "omni: a.py: broken [red]x[/red]\n"


def test_a_bug_has_no_traceback_unless_asked_for(capsys, monkeypatch):
    """Nobody but those who look for it is shown the inside."""
    monkeypatch.delenv("OMNIDAEMON_LOG_LEVEL", raising=False)
    report(KeyError("inside"), as_json=False)
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("OMNIDAEMON_LOG_LEVEL", "debug")
    report(KeyError("inside"), as_json=False)
    assert "KeyError: 'inside'" in capsys.readouterr().err
