"""The fault matrix shows what was measured, all of it and nothing else."""

from __future__ import annotations

from omnidaemon.testing.chaos.scenarios import SCENARIOS
from tests.chaos.backends import PAIRS
from tests.chaos.measured import PAGE, page, recorded


def test_the_page_is_made_of_the_measurements():
    assert PAGE.read_text(encoding="utf-8") == page(recorded())


def test_what_nobody_measured_is_called_untested():
    rows = page([])
    assert "untested" in rows
    assert "passed" not in rows


def test_a_broken_promise_is_shown():
    row = {
        "scenario": next(iter(SCENARIOS)),
        "pair": next(iter(PAIRS)),
        "seed": 3,
        "form": "full",
        "arguments": {},
        "passed": False,
        "figures": {"failure": "AssertionError: lost"},
        "seconds": 1.0,
        "versions": {"Python": "3.11"},
    }
    assert "**failed** (seed 3)" in page([row])
