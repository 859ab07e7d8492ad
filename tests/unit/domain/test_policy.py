"""A delivery policy: what it accepts, and what it decides for every outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.outcome import (
    Asked,
    AttemptError,
    ErrorKind,
    Expired,
    Failed,
    Interrupted,
    Postponed,
    Reject,
    Retry,
    Returned,
)
from omnidaemon.domain.policy import Counts, DeliveryPolicy, End, RetryAfter, Wait
from omnidaemon.domain.states import RunState
from tests.unit.domain.samples import ERROR

S = RunState
POLICY = DeliveryPolicy(max_attempts=3, backoff=2, backoff_factor=3, jitter=0)
BOUNDED = DeliveryPolicy(max_attempts=3, backoff=2, backoff_factor=3, jitter=0, run_timeout=10)
RUN_TIMEOUT = AttemptError(type="RunTimeout", message="not finished in 10 s", kind=ErrorKind.TIMEOUT)

# policy, attempts made, seconds running, outcome → decision
DECISIONS = [
    (POLICY, 0, 0, Returned(value=b"1"), End(state=S.SUCCEEDED, result=b"1")),
    (POLICY, 9, 99, Returned(value=b"1"), End(state=S.SUCCEEDED, result=b"1")),
    (POLICY, 0, 0, Failed(error=ERROR), RetryAfter(seconds=2, error=ERROR)),
    (POLICY, 1, 0, Failed(error=ERROR), RetryAfter(seconds=6, error=ERROR)),
    (POLICY, 2, 0, Failed(error=ERROR), End(state=S.DEAD, error=ERROR)),
    (POLICY, 9, 0, Failed(error=ERROR), End(state=S.DEAD, error=ERROR)),
    (POLICY, 0, 0, Failed(error=ERROR, is_final=True), End(state=S.DEAD, error=ERROR)),
    (POLICY, 0, 0, Expired(error=ERROR), End(state=S.DEAD, error=ERROR, counts_attempt=False)),
    (POLICY, 0, 99, Postponed(after_seconds=50), RetryAfter(seconds=50, counts_attempt=False)),
    (POLICY, 9, 0, Postponed(after_seconds=0), RetryAfter(seconds=0, counts_attempt=False)),
    (POLICY, 0, 0, Asked(question="?", within_seconds=5, default=b"1"), Wait(question="?", seconds=5, default=b"1")),
    (POLICY, 0, 0, Interrupted(is_requested=True), End(state=S.CANCELLED)),
    (POLICY, 9, 0, Interrupted(is_requested=False), RetryAfter(seconds=2, counts_attempt=False)),
    (BOUNDED, 0, 8, Failed(error=ERROR), RetryAfter(seconds=2, error=ERROR)),
    (BOUNDED, 0, 8.1, Failed(error=ERROR), End(state=S.DEAD, error=ERROR)),
    (BOUNDED, 0, 5, Postponed(after_seconds=5), RetryAfter(seconds=5, counts_attempt=False)),
    (BOUNDED, 0, 5, Postponed(after_seconds=6), End(state=S.DEAD, error=RUN_TIMEOUT)),
    (BOUNDED, 0, 99, Returned(value=b"1"), End(state=S.SUCCEEDED, result=b"1")),
]


@pytest.mark.parametrize(("policy", "attempts", "seconds", "outcome", "decision"), DECISIONS)
def test_policy_decides(policy, attempts, seconds, outcome, decision):
    """Each outcome has one decision, from the counts before it."""
    assert policy.decide(Counts(attempts=attempts, running_seconds=seconds), outcome) == decision


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        (Counts(), None),
        (Counts(crashes=2), None),
        (Counts(crashes=3), "Crashed"),
        (Counts(queued_seconds=5), None),
        (Counts(queued_seconds=5.1), "QueueTimeout"),
        (Counts(running_seconds=10), None),
        (Counts(running_seconds=10.1), "RunTimeout"),
        (Counts(crashes=3, queued_seconds=9, running_seconds=99), "Crashed"),
    ],
)
def test_policy_ends_a_run_before_it_starts(counts, name):
    """After too many crashes, or when a limit on its age was passed."""
    expired = DeliveryPolicy(queue_timeout=5, run_timeout=10).before_start(counts)
    assert (expired.error.type if expired else None) == name


def test_unlimited_policy_lets_every_age_start():
    """Only crashes end a run that has no limits."""
    assert DeliveryPolicy().before_start(Counts(queued_seconds=1e9, running_seconds=1e9)) is None


@pytest.mark.parametrize(
    ("timeout", "run_timeout", "running", "seconds"),
    [(None, None, 5, None), (3, None, 5, 3), (None, 10, 4, 6), (3, 10, 4, 3), (3, 10, 8, 2), (None, 10, 99, 0)],
)
def test_attempt_may_take_what_is_left(timeout, run_timeout, running, seconds):
    """The attempt's own limit, or what the run's leaves, whichever is less; never below nothing."""
    policy = DeliveryPolicy(timeout=timeout, run_timeout=run_timeout)
    assert policy.attempt_seconds(Counts(running_seconds=running)) == seconds


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_attempts", 0),
        ("backoff", -1),
        ("backoff", float("nan")),
        ("backoff_factor", 0.5),
        ("backoff_max", float("inf")),
        ("jitter", 1.5),
        ("jitter", -0.1),
        ("timeout", 0),
        ("run_timeout", -5),
        ("queue_timeout", timedelta(0)),
        ("lease", 0.1),
        ("crash_limit", 0),
        ("retry_on", ("ValueError",)),
        ("no_retry_on", (int,)),
        ("retry_on", "ValueError"),
        ("no_retry_on", None),
        ("on_lost_lease", "retry"),
        ("on_lost_lease", None),
    ],
)
def test_policy_refuses_what_makes_no_sense(field, value):
    """The error names the field, the value and what would do."""
    with pytest.raises(InvalidValue, match=f"DeliveryPolicy.{field} is .*expected"):
        DeliveryPolicy(**{field: value})


DURATIONS = ("backoff", "backoff_max", "timeout", "run_timeout", "queue_timeout", "lease")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        *((field, "1s", "a number of seconds or a timedelta, from ") for field in DURATIONS),
        ("max_attempts", "1s", "a whole number from 1 to "),
        ("jitter", "1s", "a number from 0 to 1"),
    ],
)
def test_what_would_have_been_right_is_said(field, value, expected):
    """A text as the settings take it is no duration here; what is none of seconds is asked for as a number."""
    with pytest.raises(InvalidValue, match=f"{field} is '1s', expected {expected}"):
        DeliveryPolicy(**{field: value})


@pytest.mark.parametrize("after", ["1s", None, [1]])
def test_a_pause_that_is_none_is_refused(after):
    with pytest.raises(InvalidValue, match="expected seconds or a timedelta"):
        Retry(after)


def test_policy_takes_timedeltas():
    """Wherever it takes seconds."""
    policy = DeliveryPolicy(backoff=timedelta(minutes=1), timeout=timedelta(hours=1), lease=timedelta(seconds=5))
    assert (policy.backoff, policy.timeout, policy.lease, policy.run_timeout) == (60.0, 3600.0, 5.0, None)


def test_policy_says_which_errors_are_worth_another_attempt():
    """One class or several; the second list wins."""
    policy = DeliveryPolicy(retry_on=OSError, no_retry_on=(FileNotFoundError,))
    assert policy.is_retryable(ConnectionError())
    assert not policy.is_retryable(FileNotFoundError())
    assert not policy.is_retryable(ValueError())
    assert DeliveryPolicy().is_retryable(ValueError())
    assert not DeliveryPolicy().is_retryable(KeyboardInterrupt())


@pytest.mark.parametrize(("limit", "crashes"), [(1, None), (2, 1), (3, 2)])
def test_policy_knows_the_last_chance(limit, crashes):
    """One crash before the limit, if there was a crash at all."""
    policy = DeliveryPolicy(crash_limit=limit)
    assert [count for count in range(5) if policy.is_last_chance(count)] == ([] if crashes is None else [crashes])


def test_agents_words_carry_their_facts():
    """Retry takes seconds or a timedelta and never goes back in time; Reject keeps its reason."""
    assert [Retry(after).after_seconds for after in (5, timedelta(minutes=1), -3)] == [5.0, 60.0, 0.0]
    assert [str(Retry(1.5)), str(Retry())] == ["retry in 1.5 s", "retry at once"]
    assert str(Reject("too late")) == Reject("too late").reason == "too late"
    assert Reject().reason


policies = st.builds(
    DeliveryPolicy,
    max_attempts=st.integers(1, 50),
    backoff=st.floats(0, 1e4),
    backoff_factor=st.floats(1, 100),
    backoff_max=st.floats(0, 1e5),
    jitter=st.floats(0, 1),
    run_timeout=st.none() | st.floats(0.001, 1e6),
    crash_limit=st.integers(1, 10),
)
chances = st.floats(0, 1, exclude_max=True)
outcomes = st.one_of(
    st.just(Returned(value=b"1")),
    st.builds(Failed, error=st.just(ERROR), is_final=st.booleans()),
    st.builds(Postponed, after_seconds=st.floats(0, 1e6)),
    st.just(Asked(question="?", within_seconds=1)),
    st.builds(Interrupted, is_requested=st.booleans()),
    st.just(Expired(error=ERROR)),
)


@given(policies, st.integers(0, 10**9), chances)
def test_backoff_stays_within_its_bounds(policy, attempts, chance):
    """Never negative, never above its maximum, however often and with whatever jitter."""
    assert 0 <= policy.backoff_seconds(attempts, chance) <= policy.backoff_max


@given(policies, st.integers(1, 200))
def test_backoff_grows(policy, attempts):
    """Without jitter, a later pause is no shorter."""
    assert policy.backoff_seconds(attempts) <= policy.backoff_seconds(attempts + 1)


@given(policies, st.integers(0, 100), st.floats(0, 1e6), outcomes, chances)
def test_every_decision_is_one_that_a_store_can_write(policy, attempts, seconds, outcome, chance):
    """An end is an end, a pause is not negative, and an attempt that failed too often is not repeated."""
    decision = policy.decide(Counts(attempts=attempts, running_seconds=seconds), outcome, chance)
    match decision:
        case End(state=state):
            assert state.is_end
        case RetryAfter(seconds=pause, counts_attempt=counts_attempt):
            assert pause >= 0
            assert not counts_attempt or attempts + 1 < policy.max_attempts
            assert policy.run_timeout is None or not pause or seconds + pause <= policy.run_timeout
        case Wait(seconds=pause):
            assert pause >= 0
