"""Every way in which a run can move, from every state in which it can be."""

from __future__ import annotations

import pytest

from omnidaemon.domain.errors import WrongState
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.states import DUE_STATES, ENDS, RunState, Status
from omnidaemon.domain.values import replace
from tests.unit.domain.samples import ERROR, NOW, later, run, task

S = RunState
AFTER = later(5)


def settled(before, decision, *, is_acked=True):
    return before.settled(decision, request="w1:finish:1", seconds=0.5, is_acked=is_acked, now=AFTER)


DECISIONS = {
    "value": End(state=S.SUCCEEDED, result=b"1"),
    "dead": End(state=S.DEAD, error=ERROR),
    "dead, uncounted": End(state=S.DEAD, error=ERROR, counts_attempt=False),
    "cancelled": End(state=S.CANCELLED),
    "retry": RetryAfter(seconds=10, error=ERROR),
    "retry at once": RetryAfter(seconds=0, error=ERROR),
    "postponed": RetryAfter(seconds=10, counts_attempt=False),
    "given back": RetryAfter(seconds=0, counts_attempt=False),
    "question": Wait(question="ok?", seconds=10, default=b"1"),
}

# decision → (state, attempts, errors, seconds until due); flagged as cancelled → state
SETTLED = {
    "value": (S.SUCCEEDED, 1, 0, None, S.SUCCEEDED),
    "dead": (S.DEAD, 1, 1, None, S.DEAD),
    "dead, uncounted": (S.DEAD, 0, 1, None, S.DEAD),
    "cancelled": (S.CANCELLED, 1, 0, None, S.CANCELLED),
    "retry": (S.RETRYING, 1, 1, 10, S.CANCELLED),
    "retry at once": (S.RETRYING, 1, 1, 0, S.CANCELLED),
    "postponed": (S.RETRYING, 0, 0, 10, S.CANCELLED),
    "given back": (S.QUEUED, 0, 0, 0, S.CANCELLED),
    "question": (S.WAITING, 0, 0, 10, S.CANCELLED),
}


@pytest.mark.parametrize("name", SETTLED)
def test_running_run_moves_as_decided(name):
    """Each decision leads to its state, with its attempt, its error and its due time; nobody owns the run then."""
    state, attempts, errors, due, _ = SETTLED[name]
    after = settled(run(S.RUNNING), DECISIONS[name])
    assert (after.state, after.attempts, len(after.errors)) == (state, attempts, errors)
    assert after.due_at == (None if due is None else later(5 + due).at)
    assert (after.finished_at is not None) == state.is_end
    assert (after.owner, after.lease_until, after.request, after.seconds) == (None, None, "w1:finish:1", 0.5)


@pytest.mark.parametrize("name", SETTLED)
def test_flagged_run_is_not_tried_again(name):
    """A run that somebody cancelled while it ran ends as cancelled wherever its attempt did not end it."""
    after = settled(run(S.RUNNING, is_cancel_requested=True), DECISIONS[name])
    assert after.state is SETTLED[name][4]
    assert after.state.is_end
    assert after.question is None


def test_error_is_kept_with_its_attempt_and_time():
    """Errors add up over attempts and crashes, each under the number of its attempt."""
    first = settled(run(S.RUNNING), DECISIONS["retry"])
    again = first.granted(owner="w2", request="r", lease_seconds=1, now=AFTER)
    crashed = again.lapsed(AFTER).granted(owner="w3", request="r", lease_seconds=1, now=AFTER)
    last = settled(crashed, DECISIONS["dead"])
    assert [(error.attempt, error.kind, error.at) for error in last.errors] == [
        (1, "error", AFTER.at),
        (2, "crash", AFTER.at),
        (3, "error", AFTER.at),
    ]
    assert "w2" in last.errors[1].message


def test_ack_once_known_stays_known():
    """A later attempt, which no delivery belongs to, does not unsay it."""
    assert settled(run(S.RUNNING, is_acked=True), DECISIONS["retry"], is_acked=False).is_acked
    assert not settled(run(S.RUNNING), DECISIONS["retry"], is_acked=False).is_acked


def test_question_answered_before_it_was_asked_does_not_wait():
    """The signal is kept: the run is due at once."""
    after = settled(run(S.RUNNING, answers=(("ok?", b"1"),)), DECISIONS["question"])
    assert (after.state, after.due_at, after.question) == (S.QUEUED, AFTER.at, None)


# --- grants -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(DUE_STATES))
def test_due_run_is_granted_under_the_next_fence(state):
    """Running from now on, for the length of the lease; the first start is remembered."""
    before = run(state, started_at=None)
    after = before.granted(owner="w9", request="w9:claim:3", lease_seconds=7, now=AFTER)
    assert (after.state, after.owner, after.request) == (S.RUNNING, "w9", "w9:claim:3")
    assert (after.fence, after.lease_until, after.due_at) == (before.fence + 1, AFTER.steady + 7, None)
    assert after.started_at == AFTER.at
    assert after.granted(owner="w", request="r", lease_seconds=1, now=later(9)).started_at == AFTER.at


@pytest.mark.parametrize(
    ("answers", "default", "expected"),
    [
        ((), b"false", (("ok?", b"false"),)),
        ((), None, (("ok?", b"null"),)),
        ((("ok?", b"1"),), b"false", (("ok?", b"1"),)),
    ],
    ids=["expired", "expired without default", "answered"],
)
def test_question_is_settled_by_the_grant(answers, default, expected):
    """The answer if there is one, else the default."""
    after = run(S.WAITING, answers=answers, default=default).granted(owner="w", request="r", lease_seconds=1, now=AFTER)
    assert (after.answers, after.question, after.default) == (expected, None, None)


def test_renewed_lease_is_whole_again():
    """Counted from now; nothing else changes."""
    before = run(S.RUNNING)
    assert before.renewed(AFTER) == replace(before, lease_until=AFTER.steady + 30)


@pytest.mark.parametrize("state", list(RunState))
def test_grant_is_held_by_its_owner_under_its_fence(state):
    """All three have to fit: state, owner, fence."""
    before = run(state, owner="w1", fence=4)
    assert before.is_held_by("w1", 4) == (state is S.RUNNING)
    assert not before.is_held_by("w2", 4)
    assert not before.is_held_by("w1", 3)


@pytest.mark.parametrize(
    ("state", "lease_until", "is_lapsed"),
    [
        (S.RUNNING, NOW.steady + 0.1, False),
        (S.RUNNING, NOW.steady, True),
        (S.RUNNING, NOW.steady - 1, True),
        (S.RUNNING, NOW.steady + 31, False),
        (S.RUNNING, NOW.steady + 31.1, True),
        (S.RUNNING, None, False),
        (S.QUEUED, NOW.steady - 1, False),
        (S.DEAD, NOW.steady - 1, False),
    ],
)
def test_lease_lapses_when_it_ran_out_or_cannot_be(state, lease_until, is_lapsed):
    """One that reaches further than its own length was written before a reboot."""
    assert run(state, lease_until=lease_until).is_lapsed(NOW) is is_lapsed


@pytest.mark.parametrize("state", list(RunState))
def test_run_is_due_in_a_due_state_from_its_time_on(state):
    """Not a moment earlier, and never without a due time."""
    before = run(state, due_at=NOW.at)
    assert before.is_due(NOW) is before.is_due(AFTER) is (state in DUE_STATES)
    assert not before.is_due(later(-0.001))
    assert not run(state, due_at=None).is_due(NOW)
    assert state.is_due_state is (state in DUE_STATES)


# --- crashes, releases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_flagged", "state"), [(False, S.RETRYING), (True, S.CANCELLED)])
def test_lapsed_run_counts_a_crash(is_flagged, state):
    """And is due at once, unless somebody cancelled it."""
    after = run(S.RUNNING, is_cancel_requested=is_flagged).lapsed(AFTER)
    assert (after.state, after.crashes, after.attempts, after.owner) == (state, 1, 0, None)
    assert after.attempt == 2
    assert after.due_at == (None if is_flagged else AFTER.at)


@pytest.mark.parametrize(("is_flagged", "state"), [(False, S.QUEUED), (True, S.CANCELLED)])
def test_released_run_counts_nothing(is_flagged, state):
    """It is due after the delay, unless somebody cancelled it."""
    before = run(S.RUNNING, is_cancel_requested=is_flagged)
    after = before.released(request="r", is_acked=True, now=AFTER, delay_seconds=3)
    assert (after.state, after.crashes, after.attempts, after.request, after.is_acked) == (state, 0, 0, "r", True)
    assert after.due_at == (None if is_flagged else later(8).at)


@pytest.mark.parametrize(
    ("crashes", "limit", "is_last"),
    [(0, 1, False), (0, 2, False), (1, 2, True), (1, 3, False), (2, 3, True), (3, 3, False)],
)
def test_last_chance_is_one_crash_before_the_limit(crashes, limit, is_last):
    """A run that never crashed is not suspect, however low the limit."""
    assert run(crashes=crashes).is_last_chance(limit) is is_last


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(RunState))
def test_cancel_ends_what_nobody_executes(state):
    """It flags what runs, and leaves alone what has ended."""
    before = run(state)
    after = before.cancelled(AFTER)
    if state in ENDS:
        assert after == before
    elif state is S.RUNNING:
        assert after == replace(before, is_cancel_requested=True)
    else:
        assert (after.state, after.due_at, after.finished_at, after.question) == (S.CANCELLED, None, AFTER.at, None)


@pytest.mark.parametrize("state", sorted(ENDS))
def test_requeue_begins_a_new_life(state):
    """Nothing of the old one counts but the fence and the ack."""
    before = run(state, is_cancel_requested=True, crashes=2, seconds=3.0, answers=(("q", b"1"),), is_acked=True)
    after = before.requeued(AFTER)
    assert (after.state, after.life, after.fence, after.due_at) == (S.QUEUED, 2, before.fence, AFTER.at)
    fresh = (after.attempts, after.crashes, after.errors, after.result, after.answers, after.is_cancel_requested)
    assert fresh == (0, 0, (), None, (), False)
    assert (after.started_at, after.finished_at, after.seconds) == (None, None, 0.0)
    assert after.is_acked


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("question", ["ok?", "other?"])
def test_answer_wakes_the_run_that_waits_for_it(state, question):
    """Any run that has not ended keeps it; only the waiting one comes due; an ended one refuses."""
    before = run(state)
    record = TaskRecord.of(task(), created_at=NOW.at, runs=(before,))
    if state in ENDS:
        with pytest.raises(WrongState):
            record.answer("greeter", question, b"1", AFTER)
        return
    (after,) = record.answer("greeter", question, b"1", AFTER).runs
    assert after.answers == ((question, b"1"),)
    is_woken = state is S.WAITING and question == "ok?"
    assert after.state is (S.QUEUED if is_woken else state)
    assert after.due_at == (AFTER.at if is_woken else before.due_at)


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_counts_are_what_a_policy_may_know():
    """Ages are measured from publication to the first start, and from there to now."""
    before = run(S.RUNNING, started_at=later(3).at, attempts=1, crashes=2)
    counts = before.counts(later(10).at)
    assert (counts.attempts, counts.crashes, counts.queued_seconds, counts.running_seconds) == (1, 2, 3.0, 7.0)
    unstarted = run(S.QUEUED).counts(later(10).at)
    assert (unstarted.queued_seconds, unstarted.running_seconds) == (10.0, 0.0)


def test_key_and_attempt_name_the_run():
    """By task and agent; a crash is an attempt that was made."""
    before = run(attempts=2, crashes=1)
    assert (before.key, before.attempt) == (("t1", "greeter"), 4)


def test_ends_are_ends_for_people_too():
    """States and statuses agree, and a scheduled task has not ended."""
    assert {state for state in RunState if state.is_end} == ENDS
    assert {status.value for status in Status if status.is_end} == {state.value for state in ENDS}
    assert {status.value for status in Status} - {state.value for state in RunState} == {"scheduled"}
