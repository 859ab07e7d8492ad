"""What follows from an answer to a webhook: the whole table of statuses, errors and attempts."""

from __future__ import annotations

import pytest

from omnidaemon.domain.verdict import Delivered, GivenUp, TryAgain
from omnidaemon.domain.webhook_policy import Answer, WebhookPolicy

POLICY = WebhookPolicy()
LAST = POLICY.max_attempts


@pytest.mark.parametrize("attempt", [1, 2, LAST - 1, LAST])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_any_2xx_is_delivered(status, attempt):
    assert POLICY.decide(attempt, Answer(status_code=status)) == Delivered()


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599]
)
@pytest.mark.parametrize("attempt", [1, LAST - 1, LAST])
def test_all_else_is_tried_again_while_attempts_are_left(status, attempt):
    """Redirects too, which are not followed; and other 4xx, which receivers send while they are being set up."""
    verdict = POLICY.decide(attempt, Answer(status_code=status))
    if attempt == LAST:
        assert verdict == GivenUp("not delivered in 10 attempts")
    else:
        assert verdict == TryAgain(POLICY.pauses[attempt - 1])


@pytest.mark.parametrize("attempt", [1, LAST])
def test_gone_ends_it(attempt):
    verdict = POLICY.decide(attempt, Answer(status_code=410, retry_after_seconds=5))
    assert isinstance(verdict, GivenUp)
    assert "410" in verdict.reason


@pytest.mark.parametrize("attempt", [1, 5])
def test_an_error_without_an_answer_is_tried_again(attempt):
    assert POLICY.decide(attempt, Answer(error="ConnectTimeout")) == TryAgain(POLICY.pauses[attempt - 1])


def test_what_no_attempt_can_help_is_given_up_with_its_error():
    assert POLICY.decide(1, Answer(error="10.0.0.1 is private", is_final=True)) == GivenUp("10.0.0.1 is private")


def test_ten_attempts_take_about_three_days():
    assert POLICY.max_attempts == 10
    assert 2.5 < sum(POLICY.pauses) / 86400 < 3.5
    assert list(POLICY.pauses) == sorted(POLICY.pauses)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.9), (0.5, 1.0), (0.999, 1.0998)])
def test_pauses_are_spread(chance, factor):
    verdict = POLICY.decide(4, Answer(status_code=500), chance)
    assert isinstance(verdict, TryAgain)
    assert verdict.after_seconds == pytest.approx(7200 * factor)


@pytest.mark.parametrize(("asked", "pause"), [(0.0, 5.0), (1.0, 5.0), (120.0, 120.0), (10.0**9, 86400.0), (None, 5.0)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_is_not_asked_before_it_wants(status, asked, pause):
    """Retry-After makes a pause longer, never shorter, and not longer than a day."""
    answer = Answer(status_code=status, retry_after_seconds=asked)
    assert POLICY.decide(1, answer) == TryAgain(pause)


def test_a_policy_of_one_attempt():
    assert WebhookPolicy(pauses=()).decide(1, Answer(status_code=500)) == GivenUp("not delivered in 1 attempt")
