"""How much is begun ahead of the slots."""

from __future__ import annotations

import pytest

from omnidaemon.app.pace import Pace


def pace_of(count: int, every_seconds: float, rounds: int = 5) -> Pace:
    """What is known after so many attempts have returned each time."""
    pace = Pace()
    for number in range(rounds):
        pace.note(count, 100.0 + number * every_seconds)
    return pace


def test_nothing_is_begun_ahead_of_slots_that_nothing_is_known_of():
    """Neither at the start, nor when one attempt alone has returned."""
    assert Pace().ahead == 0
    assert pace_of(50, 1.0, rounds=1).ahead == 0


@pytest.mark.parametrize(
    ("count", "every_seconds", "ahead"),
    [
        (1, 1.0, 0),
        (1, 0.02, 1),
        (40, 0.02, 40),
        (10, 0.1, 2),
        (1000, 0.02, 200),
    ],
)
def test_as_many_as_return_in_a_fiftieth_of_a_second(count: int, every_seconds: float, ahead: int):
    """Slow attempts get nothing ahead, fast ones two hundred at most."""
    assert pace_of(count, every_seconds).ahead == pytest.approx(ahead, abs=1)


def test_what_returns_within_one_window_counts_together():
    """Reports that come one by one are no slower than those that come at once."""
    pace = Pace()
    for number in range(101):
        pace.note(1, 100.0 + number * 0.001)
    assert 18 <= pace.ahead <= 22


def test_long_attempts_that_return_all_at_once_are_not_fast():
    """A hundred that took five seconds, in two batches: what is begun ahead of them would wait for seconds."""
    pace = Pace()
    for second in (100.0, 105.0, 110.0):
        pace.note(50, second)
        pace.note(50, second + 0.021)
        assert pace.ahead == 0


def test_one_that_has_slowed_down_is_not_trusted_until_it_is_seen_to_be_fast():
    """What was known of it is forgotten."""
    pace = pace_of(10, 0.02)
    pace.forget()
    assert pace.ahead == 0
    pace.note(10, 100.2)
    assert pace.ahead == 0
    pace.note(10, 100.23)
    assert pace.ahead > 0
