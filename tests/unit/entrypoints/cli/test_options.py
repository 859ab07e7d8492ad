"""The texts of options."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.entrypoints.cli.options import WrongUse, headers, instant, json_last, seconds, timeout_seconds


def test_durations_have_units():
    """A number counts seconds; what is no duration is refused under the option's name."""
    assert seconds("--delay", "1.5m") == 90
    with pytest.raises(InvalidValue, match="--delay is 'soon'"):
        seconds("--delay", "soon")


def test_a_timeout_is_for_those_who_wait():
    """An option that would change nothing is refused; without it there is a default."""
    assert timeout_seconds(None, is_waiting=False) == 30
    assert timeout_seconds("2", is_waiting=True) == 2
    with pytest.raises(WrongUse, match="--timeout goes with --wait"):
        timeout_seconds("2", is_waiting=False)


@pytest.mark.parametrize(
    ("line", "as_read"),
    [
        ("task list", "task list"),
        ("--json task list --limit 1", "task list --limit 1 --json"),
        ("task --json list", "task list --json"),
        ("task list --json --json", "task list --json"),
        ("--json task publish echo -- --json", "task publish echo --json -- --json"),
    ],
)
def test_json_may_be_asked_for_anywhere(line, as_read):
    """Before the command too; what follows -- is a value, whatever it looks like."""
    assert json_last(line.split()) == as_read.split()


def test_a_time_is_aware():
    """A zone is kept; without one it is this machine's."""
    assert instant("--due-at", "2030-01-01T12:00:00Z") == datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert instant("--due-at", "2030-01-01T12:00").tzinfo is not None
    with pytest.raises(InvalidValue, match="--due-at is 'tomorrow'"):
        instant("--due-at", "tomorrow")


def test_headers_are_pairs():
    """The first equals sign divides; without one, or without a name, it is no header."""
    assert headers(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    for wrong in ("a", "=b"):
        with pytest.raises(InvalidValue, match="name=value"):
            headers([wrong])
