"""What follows from a move: its line in the journal, its numbers in the metrics, and whether it is news."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.domain.changes import Changes, changes_of
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.policy import End, RetryAfter, Wait
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.states import RunState
from tests.unit.domain.samples import ERROR, GREETER, LOGGER, NOW, later, run

S = RunState
RUNNING = run(S.RUNNING)


def settled(decision, before=RUNNING, seconds=0.5):
    return before.settled(decision, request="r", seconds=seconds, is_acked=True, now=NOW)


EXPIRED = AttemptError(type="Crashed", message="its worker died", kind=ErrorKind.CRASH)

# before, after → kind of event, attempt, detail, the counters that are one
MOVES = {
    "begun": (None, RUNNING, "started", 1, "", "received"),
    "held": (None, run(), "held", 0, "", "received"),
    "skipped": (None, run(S.SKIPPED), "skipped", 0, "", "received skipped"),
    "undecodable": (
        None,
        run(S.DEAD, errors=(ERROR,), attempts=0),
        "dead",
        0,
        "ValueError: boom",
        "received dead_lettered",
    ),
    "cancelled before": (None, run(S.CANCELLED), "cancelled", 0, "", "received cancelled"),
    "claimed": (run(), run().granted(owner="w", request="r", lease_seconds=1, now=NOW), "started", 1, "", ""),
    "value": (RUNNING, settled(End(state=S.SUCCEEDED)), "succeeded", 1, "", "processed"),
    "dead": (RUNNING, settled(End(state=S.DEAD, error=ERROR)), "dead", 1, "ValueError: boom", "failed dead_lettered"),
    "expired": (
        RUNNING,
        settled(End(state=S.DEAD, error=EXPIRED, counts_attempt=False)),
        "dead",
        1,
        "Crashed: its worker died",
        "dead_lettered",
    ),
    "retry": (
        RUNNING,
        settled(RetryAfter(seconds=1, error=ERROR)),
        "retried",
        1,
        "ValueError: boom; again in 1 s",
        "failed retried",
    ),
    "postponed": (
        RUNNING,
        settled(RetryAfter(seconds=1, counts_attempt=False)),
        "retried",
        1,
        "again in 1 s",
        "retried",
    ),
    "given back": (RUNNING, settled(RetryAfter(seconds=0, counts_attempt=False)), "released", 1, "", ""),
    "question": (RUNNING, settled(Wait(question="?", seconds=1)), "waited", 1, "", ""),
    "answered": (run(S.WAITING), run(S.WAITING).answered("ok?", b"1", NOW), "answered", 1, "", ""),
    "answered early": (RUNNING, RUNNING.answered("ok?", b"1", NOW), None, 1, "", ""),
    "released": (RUNNING, RUNNING.released(request="r", is_acked=True, now=NOW), "released", 1, "", ""),
    "crashed": (RUNNING, RUNNING.lapsed(NOW), "crashed", 1, "WorkerLost: worker w1 stopped renewing", "crashed"),
    "crashed, flagged": (
        RUNNING.cancelled(NOW),
        RUNNING.cancelled(NOW).lapsed(NOW),
        "cancelled",
        1,
        "WorkerLost: worker w1 stopped renewing",
        "crashed cancelled",
    ),
    "flagged": (RUNNING, RUNNING.cancelled(NOW), "cancel_requested", 1, "", ""),
    "flagged again": (RUNNING.cancelled(NOW), RUNNING.cancelled(NOW).cancelled(NOW), None, 1, "", ""),
    "cancelled": (run(), run().cancelled(NOW), "cancelled", 0, "", "cancelled"),
    "requeued": (run(S.DEAD), run(S.DEAD).requeued(NOW), "requeued", 0, "", ""),
    "renewed": (RUNNING, RUNNING.renewed(later(1)), None, 1, "", ""),
}


@pytest.mark.parametrize("name", MOVES)
def test_move_is_told_and_counted(name):
    """One event at most, and the counters that it concerns."""
    before, after, kind, attempt, detail, counted = MOVES[name]
    changes = changes_of([(before, after)], NOW.at)
    assert [event.kind for event in changes.events] == ([kind] if kind else [])
    for event in changes.events:
        assert (event.agent, event.task_id, event.attempt) == ("greeter", "t1", attempt)
        assert event.detail.startswith(detail)
        assert bool(event.detail) is bool(detail)
    metrics = changes.metrics[GREETER]
    ones = {
        field.name.removeprefix("tasks_")
        for field in attrs.fields(type(metrics))
        if field.name.startswith("tasks_") and getattr(metrics, field.name) == 1
    }
    assert ones == set(counted.split())


def test_an_event_has_the_number_of_its_own_attempt():
    """Of the attempt that failed or crashed, not of the one that comes next; anew after a requeue."""
    begun = run(S.QUEUED)
    steps = (
        _granted,
        lambda before: before.lapsed(NOW),
        _granted,
        lambda before: settled(RetryAfter(seconds=0, error=ERROR), before),
        _granted,
        lambda before: settled(End(state=S.DEAD, error=ERROR), before),
        lambda before: before.requeued(NOW),
        _granted,
    )
    told = []
    for step in steps:
        before, begun = begun, step(begun)
        told += [(event.kind.value, event.attempt) for event in changes_of([(before, begun)], NOW.at).events]
    assert told == [
        ("started", 1),
        ("crashed", 1),
        ("started", 2),
        ("retried", 2),
        ("started", 3),
        ("dead", 3),
        ("requeued", 0),
        ("started", 1),
    ]


def _granted(before):
    return before.granted(owner="w", request="r", lease_seconds=1, now=NOW)


def test_time_of_an_attempt_is_counted_once():
    """With the attempt that it belongs to; a crash and an unstarted end took none."""
    timed = changes_of([(RUNNING, settled(End(state=S.SUCCEEDED), seconds=0.25))], NOW.at).metrics[GREETER]
    assert (timed.attempts_timed, timed.seconds_sum, len(timed.timings)) == (1, 0.25, 1)
    for after in (RUNNING.lapsed(NOW), settled(End(state=S.DEAD, error=EXPIRED), seconds=0.0)):
        assert changes_of([(RUNNING, after)], NOW.at).metrics[GREETER].attempts_timed == 0


def test_batch_is_summed_per_agent():
    """And tells its events in order."""
    runs = [run(task_id="a"), run(task_id="b"), run(task_id="a", subscription=LOGGER)]
    changes = changes_of([(None, each) for each in runs], NOW.at)
    assert (changes.metrics[GREETER].tasks_received, changes.metrics[LOGGER].tasks_received) == (2, 1)
    assert [(event.task_id, event.agent) for event in changes.events] == [
        ("a", "greeter"),
        ("b", "greeter"),
        ("a", "logger"),
    ]


@pytest.mark.parametrize(
    ("changes", "is_news", "is_work"),
    [
        (Changes(), False, False),
        (Changes(stretches=([RUNNING],)), False, False),
        (Changes(stretches=([RUNNING.cancelled(NOW)],)), True, True),
        (Changes(stretches=([RUNNING], [run()])), True, True),
        (Changes(stretches=([settled(RetryAfter(seconds=9, error=ERROR))],)), True, True),
        (Changes(stretches=([settled(End(state=S.SUCCEEDED))],)), True, False),
        (Changes(cancel_marks={"t1": True}), True, True),
        (Changes(scheduled={"t1": NOW.at}), False, True),
    ],
)
def test_news_is_what_somebody_may_wait_for_and_work_what_workers_do(changes, is_news, is_work):
    """An end, a due time, a cancellation; a start wakes nobody, and an end no worker."""
    assert (changes.is_news, changes.is_work) == (is_news, is_work)


def test_an_end_that_has_to_be_told_is_work():
    """For whoever tells it."""
    address = ReturnAddress(created_at=NOW.at, reply_to="answers")
    before = run(S.RUNNING, return_address=address)
    changes = changes_of([(before, settled(End(state=S.SUCCEEDED), before))], NOW.at)
    assert changes.notifications
    assert changes.is_work


def test_a_stretch_is_of_kin_before_and_after():
    """What is worked out for its first run holds for all of them."""
    begun = [run().granted(owner="w", request="r", lease_seconds=length, now=NOW).model() for length in (1.0, 2.0)]
    held = [model.of(str(number), NOW.at) for number, model in enumerate(sorted(begun * 3, key=id))]
    end = held[0].settled(End(state=S.SUCCEEDED), request="f", seconds=1.0, is_acked=True, now=NOW).model()
    moves = [(before, end.of(before.task_id, NOW.at)) for before in held] + [(held[0], end.of("0", NOW.at))]
    stretches = changes_of(moves, NOW.at).stretches
    assert [len(stretch) for stretch in stretches] == [3, 3, 1]


def test_a_batch_is_judged_by_each_of_its_kinds():
    """Whichever of its runs it is that somebody waits for."""
    begun = run().granted(owner="w", request="r", lease_seconds=1, now=NOW).model()
    moves = [(run(), begun.of(str(number), NOW.at)) for number in range(10)]
    assert not changes_of(moves, NOW.at).is_news
    moves[5:5] = [(RUNNING, settled(RetryAfter(seconds=9, error=ERROR)))]
    changes = changes_of(moves, NOW.at)
    assert len(changes.stretches) == 3
    assert changes.is_news
    assert changes.is_work
