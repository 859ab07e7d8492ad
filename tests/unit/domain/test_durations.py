"""Durations as people say them."""

from __future__ import annotations

import pytest

from omnidaemon.domain.durations import duration_text, pause_text, plain_number


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.00004, "<1 ms"),
        (0.0123, "12 ms"),
        (0.0005, "<1 ms"),
        (0.9996, "1 s"),
        (0.25, "250 ms"),
        (1.26, "1.3 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3599, "59 min 59 s"),
        (3659, "1 h 1 min"),
        (3 * 3600, "3 h"),
        (3 * 3600 + 150, "3 h 2 min"),
        (86400 - 1800, "23 h 30 min"),
        (86400 - 1, "1 d"),
        (86400 + 4 * 3600, "1 d 4 h"),
        (10 * 365 * 86400, "3650 d"),
    ],
)
def test_a_span_is_said_in_fitting_units(seconds, said):
    """Two units at most, rounded to the smaller one, which is left out when it is zero."""
    assert duration_text(seconds) == said


def test_a_pause_of_nothing_is_none():
    """Nobody says `in 0 ms`."""
    assert [pause_text(0.0), pause_text(12)] == ["at once", "in 12 s"]


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (30.0, "30"), (3.7e-05, "0.000037"), (3.1536e8, "315360000"), (1.5, "1.5"), (1 / 3, "0.333333")],
)
def test_a_number_is_written_without_an_exponent(number, written):
    """However large or small it is."""
    assert plain_number(number) == written
