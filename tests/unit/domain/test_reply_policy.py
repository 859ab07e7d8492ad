"""What follows from a bus's answer to a reply."""

from __future__ import annotations

import pytest

from omnidaemon.domain.reply_policy import UNHEARD, ReplyPolicy
from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain

POLICY = ReplyPolicy()


@pytest.mark.parametrize("attempt", [1, 8, 1000])
def test_a_bus_that_is_away_is_tried_for_ever(attempt):
    """After pauses that double, up to a minute."""
    assert POLICY.decide(attempt, is_confirmed=False) == TryAgain(min(0.5 * 2 ** (attempt - 1), 60.0))
    assert POLICY.decide(attempt, is_confirmed=True) == Delivered()


@pytest.mark.parametrize("attempt", [8, 1000])
def test_what_nobody_hears_is_given_up(attempt):
    """After so many attempts in a row, whatever was before them."""
    assert isinstance(POLICY.decide(attempt, is_confirmed=False, unheard=7), TryAgain)
    verdict = POLICY.decide(attempt, is_confirmed=False, unheard=8)
    assert verdict == GivenUp(f"{UNHEARD}: tried 8 times")
