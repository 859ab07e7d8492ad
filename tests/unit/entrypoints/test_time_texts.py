"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omnidaemon.entrypoints.time_texts import due_text, relative_time

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (0.4, "just now"),
        (-0.4, "just now"),
        (3.2, "3 s ago"),
        (-125, "in 2 min"),
        (59.9, "59 s ago"),
        (-90000, "in 1 d"),
        (7200, "2 h ago"),
    ],
)
def test_a_time_is_seen_from_now(offset, said):
    """Past and future are told apart, and the present is now."""
    assert relative_time(NOW - timedelta(seconds=offset), NOW) == said


@pytest.mark.parametrize(
    ("offset", "said"), [(12, "in 12 s"), (0.2, "in 1 s"), (125, "in 2 min 5 s"), (-0.4, "now"), (-3.2, "3 s ago")]
)
def test_what_is_waited_for_is_counted_down(offset, said):
    """To the second, and past its time too: then nobody has come for it."""
    assert due_text(NOW + timedelta(seconds=offset), NOW) == said
