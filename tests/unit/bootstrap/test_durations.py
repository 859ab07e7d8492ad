"""Durations as people write them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from omnidaemon.bootstrap.durations import parse_duration, setting_of
from omnidaemon.domain.errors import InvalidValue


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("3600", 3600),
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("2d", 172_800),
        ("500ms", 0.5),
        ("1.5h", 5400),
        (" 10 M ", 600),
        ("0", 0),
        (90, 90),
        (0.25, 0.25),
        (1e-5, 1e-5),
        (timedelta(minutes=1), 60),
    ],
)
def test_a_duration_is_read(written, seconds):
    """A unit may follow the number; without one it counts seconds."""
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    [
        *("", "s", "-1", "1w", "1h30m", "nan", "inf", "1e3", "٣s", "9" * 40),
        *(-1, math.nan, math.inf, 1e300, timedelta(seconds=-1), True, None, [1]),
    ],
)
def test_what_is_no_duration_is_an_invalid_value(written):
    """The error carries the name that the caller gave, and shows how durations look."""
    with pytest.raises(InvalidValue, match=r"delay is .*, expected a duration such as 90, 90s") as caught:
        parse_duration(written, "delay")
    assert caught.value.name == "delay"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (86400, "1d"), (365 * 86400, "365d"), (5400, "90m"), (129600, "36h"), (90, "90s"), (0.5, "500ms")],
)
def test_a_setting_is_written_in_its_largest_whole_unit(seconds, written):
    """And can be read again."""
    assert setting_of(timedelta(seconds=seconds)) == written
    assert parse_duration(written) == timedelta(seconds=seconds)


def test_a_setting_of_microseconds_can_be_read_again():
    """As seconds, since there is no smaller unit."""
    duration = timedelta(seconds=1, microseconds=1)
    assert setting_of(duration) == "1.000001s"
    assert parse_duration(setting_of(duration)) == duration
