"""What is made of the marks of a measurement."""

from __future__ import annotations

import pytest

from omnidaemon.entrypoints.benchmark import Mark, StillDraining, enough, pace


def test_the_pace_is_that_of_the_outcomes_from_a_tenth_on():
    """What was before the first mark with a tenth of the tasks is left out, as the start of the agents is in it."""
    marks = [Mark(0, 0.0, 0.0), Mark(90, 1.0, 0.5), Mark(120, 2.0, 1.0), Mark(600, 3.0, 1.2), Mark(1000, 4.0, 1.44)]
    rate, cpu_seconds = pace(marks, 1000) or (0.0, 0.0)
    assert rate == pytest.approx(440)
    assert cpu_seconds == pytest.approx(0.0005)


@pytest.mark.parametrize(
    "marks",
    [
        [Mark(0, 0.0, 0.0), Mark(1000, 5.0, 1.0)],  # nothing was seen of how they followed one another
        [Mark(0, 0.0, 0.0), Mark(700, 1.0, 0.5), Mark(1000, 2.0, 1.0)],
        [Mark(100, 1.0, 0.5), Mark(1000, 1.1, 0.6)],  # within a few looks
    ],
)
def test_too_little_is_told_as_such(marks):
    """Better no figure than a wrong one."""
    assert pace(marks, 1000) is None


@pytest.mark.parametrize(
    ("tasks", "seconds", "enough_tasks"),
    [(20, 0.0, 800), (1000, 0.1, 8000), (900, 0.1, 8000), (1000, 0.35, 4000), (70_000, 0.1, 600_000)],
)
def test_how_many_would_do_is_told(tasks, seconds, enough_tasks):
    """Four times as many as take long enough at that pace, rounded up; and as were too few at least."""
    marks = [Mark(0, 3.0, 0.0), Mark(0, 5.0, 0.0), Mark(tasks, 5.0 + seconds, 0.1)]
    assert enough(marks, tasks) == enough_tasks
    assert enough([Mark(tasks, 5.0, 0.1)], tasks) >= enough_tasks


def test_a_drain_that_takes_too_long_says_how_far_it_came():
    """So that the next try can have fewer tasks."""
    assert "1,200 of 5,000 tasks have ended" in str(StillDraining(1200, 5000))
