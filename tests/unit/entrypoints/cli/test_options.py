"""The texts of options."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.entrypoints.cli.options import WrongUse, headers, instant, seconds, timeout_seconds


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
