"""The gates' decisions, each from what a store read to what it shall write."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.domain.errors import StaleRequest
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.policy import End
from omnidaemon.domain.requests import ClaimLimit, EndRun, Finish, Held, HoldRun, Request, StartRun
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Unreadable
from omnidaemon.domain.values import replace
from tests.unit.domain.samples import ERROR, GREETER, LOGGER, NOW, later, run, task

GATES = Gates()
REQUEST = Request("w1", "begin", 1)
START = StartRun(task=task(), subscription=GREETER, lease_seconds=30)
DONE = End(state=RunState.SUCCEEDED, result=b"1")


def begin(*intakes, found=(), marks=None, request=REQUEST):
    return GATES.begin(request, intakes, {each.key: each for each in found}, marks or Marks(), NOW)


@pytest.mark.parametrize(("latest", "is_repeated"), [(None, False), (4, False), (5, True)])
def test_admit_tells_a_repeated_call_from_a_new_one(latest, is_repeated):
    """By the latest counter of its lane."""
    assert GATES.admit(Request("w1", "claim", 5), latest) is is_repeated


def test_admit_refuses_what_was_overtaken():
    """The error names the call."""
    with pytest.raises(StaleRequest, match="w1:claim:5"):
        GATES.admit(Request("w1", "claim", 5), 6)


def test_requests_of_a_lane_follow_one_another():
    """Each is one above the last, in the same lane."""
    assert Request("w1", "claim", 5).next() == Request("w1", "claim", 6)


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("is_same_request", [True, False])
def test_begin_grants_a_known_run_only_to_the_call_that_began_it(state, is_same_request):
    """And only while it runs; nothing is written either way."""
    known = run(state, request=str(REQUEST) if is_same_request else "w2:begin:7")
    (grant,), changes = begin(START, found=[known])
    assert (grant is not None) is (state is RunState.RUNNING and is_same_request)
    assert changes.runs == changes.events == changes.tasks == ()


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        (Marks(), RunState.RUNNING),
        (Marks(cancelled={"other"}, tombstones={("t1", "logger"), ("other", "")}), RunState.RUNNING),
        (Marks(cancelled={"t1"}), RunState.CANCELLED),
        (Marks(tombstones={("t1", "greeter")}), None),
        (Marks(tombstones={("t1", "")}), None),
        (Marks(cancelled={"t1"}, tombstones={("t1", "")}), None),
    ],
)
def test_begin_heeds_the_marks(marks, state):
    """A cancelled task is ended at once, a buried one left alone."""
    (grant,), changes = begin(START, marks=marks)
    assert (grant is not None) is (state is RunState.RUNNING)
    assert [each.state for each in changes.runs] == ([] if state is None else [state])
    assert [each.task_id for each in changes.tasks] == ([] if state is None else ["t1"])


def test_begin_takes_each_kind_of_intake():
    """Started, held or ended; every answer in its place, every task logged once."""
    unreadable = Unreadable(task_id="t3", topic="greet.user", raw=b"?", reason="no JSON")
    answers, changes = begin(
        START,
        HoldRun(task=task("t2"), subscription=GREETER, delay_seconds=9),
        EndRun(task=unreadable, subscription=GREETER, state=RunState.DEAD, error=ERROR),
        EndRun(task=task("t4"), subscription=GREETER, state=RunState.SKIPPED),
        replace(START, subscription=LOGGER),
        START,
    )
    assert [grant is not None for grant in answers] == [True, False, False, False, True, False]
    assert [each.state for each in changes.runs] == ["running", "queued", "dead", "skipped", "running"]
    assert [each.task_id for each in changes.tasks] == ["t1", "t2", "t3", "t4"]
    _, held, dead, skipped, _ = changes.runs
    assert (held.due_at, dead.queued_at) == (later(9).at, NOW.at)
    assert dead.errors == (attrs.evolve(ERROR, at=NOW.at),)
    assert (skipped.errors, skipped.finished_at, skipped.due_at) == ((), NOW.at, None)
    assert [event.kind for event in changes.events] == ["started", "held", "dead", "skipped", "started"]


def test_lapse_takes_only_what_has_lapsed():
    """Others keep their lease."""
    lapsed, alive = run(RunState.RUNNING), run(RunState.RUNNING, lease_until=NOW.steady + 100, lease_seconds=100)
    changes = GATES.lapse([lapsed, alive], LapseGuard(), later(30))
    assert [(each.state, each.crashes) for each in changes.runs] == [("retrying", 1)]
    assert [event.kind for event in changes.events] == ["crashed"]


def test_lapse_leaves_whom_the_guard_does_not_judge_yet():
    """Each run by the length of its own lease."""
    short, long = (run(RunState.RUNNING, task_id=f"{n}", lease_seconds=n, lease_until=NOW.steady) for n in (2, 40))
    guard = LapseGuard(resumed_at=NOW.steady, longest_lease=40.0)
    lapsed = [[each.task_id for each in GATES.lapse([short, long], guard, later(n)).runs] for n in (1, 2, 39, 40)]
    assert lapsed == [[], ["2"], ["2"], ["2", "40"]]


def limit(subscription=GREETER, slots=2, crash_limit=3):
    return ClaimLimit(subscription=subscription, slots=slots, lease_seconds=30, crash_limit=crash_limit)


def due(task_id, seconds=0, **more):
    return run(task_id=task_id, due_at=later(seconds).at, **more)


@pytest.mark.parametrize(
    ("slots", "is_idle", "chosen", "has_last_chance"),
    [
        (2, False, ["a", "c"], True),
        (1, False, ["a"], True),
        (0, False, [], True),
        (2, True, ["b"], False),
        (0, True, [], False),
    ],
)
def test_choose_keeps_last_chances_for_the_idle(slots, is_idle, chosen, has_last_chance):
    """An idle caller gets the first of them alone; a busy one the others, and a hint to make room."""
    runs = [due("a", -3), due("b", -2, crashes=2), due("c", -1), due("later", 5)]
    found, hint = GATES.choose([limit(slots=slots)], {GREETER: runs}, NOW, is_idle=is_idle)
    assert ([each.task_id for each in found], hint) == (chosen, has_last_chance)


def test_choose_gives_an_idle_caller_the_longest_due_last_chance():
    """Over all of its agents that have a slot."""
    late, early = due("late", -1, crashes=2), due("early", -9, crashes=2, subscription=LOGGER)
    runs = {GREETER: [late], LOGGER: [early]}
    assert GATES.choose([limit(), limit(LOGGER)], runs, NOW, is_idle=True) == ([early], False)
    assert GATES.choose([limit(), limit(LOGGER, slots=0)], runs, NOW, is_idle=True) == ([late], False)
    assert GATES.choose([limit(LOGGER)], {}, NOW, is_idle=True) == ([], False)


@pytest.mark.parametrize(
    ("due_in", "lease_in", "grace_in", "pause"),
    [
        (None, None, 0, 60),
        (5, None, 0, 5),
        (-5, None, 0, 0),
        (90, None, 0, 60),
        (None, 7, 0, 7),
        (None, 7, 20, 20),
        (5, 7, 20, 5),
        (9, 7, 0, 7),
        (None, -3, 0, 0),
    ],
)
def test_pause_lasts_until_something_may_happen(due_in, lease_in, grace_in, pause):
    """The next due time or the next lease that may lapse, a minute at most, never less than nothing."""
    due_at = None if due_in is None else later(due_in).at
    leases = [] if lease_in is None else [(30.0, NOW.steady + lease_in), (60.0, NOW.steady + 59.0)]
    guard = LapseGuard(resumed_at=NOW.steady + grace_in - 30.0)
    assert GATES.pause_seconds(due_at, leases, guard, NOW) == pause


def test_claim_grants_up_to_the_slots_of_each_agent():
    """In the order given; what is not due or not asked for stays."""
    runs = [due("a"), due("b"), due("c"), due("d", 5), due("e", subscription=LOGGER)]
    granted, changes = GATES.claim(Request("w2", "claim", 3), [limit(slots=2)], runs, NOW)
    assert [(each.task_id, each.owner, each.request) for each in granted] == [
        ("a", "w2", "w2:claim:3"),
        ("b", "w2", "w2:claim:3"),
    ]
    assert changes.runs == granted
    assert GATES.claim(Request("w2", "claim", 4), [limit(), limit(LOGGER)], runs[3:], NOW)[0][0].task_id == "e"


def test_renew_sorts_what_is_asked():
    """Lost are unknown runs, other fences, other owners and what has ended; cancelled ones are renewed all the same."""
    held = [Held(task_id, "greeter", 1) for task_id in ("mine", "flagged", "ended", "gone", "other")]
    runs = [
        run(RunState.RUNNING, task_id="mine"),
        run(RunState.RUNNING, task_id="flagged", is_cancel_requested=True),
        run(RunState.SUCCEEDED, task_id="ended"),
        run(RunState.RUNNING, task_id="other", owner="w2"),
    ]
    answer, renewed = GATES.renew("w1", held, {each.key: each for each in runs}, later(5))
    assert answer.lost == {("ended", "greeter"), ("gone", "greeter"), ("other", "greeter")}
    assert answer.cancelled == {("flagged", "greeter")}
    assert [(each.task_id, each.lease_until) for each in renewed] == [
        ("mine", NOW.steady + 35),
        ("flagged", NOW.steady + 35),
    ]


FINISH = Request("w1", "finish", 1)


@pytest.mark.parametrize(
    ("known", "is_recorded", "is_written"),
    [
        (run(RunState.RUNNING), True, True),
        (run(RunState.RUNNING, fence=2), False, False),
        (run(RunState.RUNNING, owner="w2"), False, False),
        (run(RunState.SUCCEEDED, request=str(FINISH)), True, False),
        (run(RunState.SUCCEEDED, request="w1:finish:2"), False, False),
        (run(RunState.RETRYING, request=str(FINISH)), True, False),
        (run(RunState.RUNNING, request=str(FINISH), fence=2), False, False),
        (None, False, False),
    ],
    ids=[
        "current",
        "older fence",
        "other owner",
        "asked again",
        "ended by another call",
        "retry asked again",
        "granted anew",
        "gone",
    ],
)
def test_finish_records_under_the_current_grant(known, is_recorded, is_written):
    """And says so again when the same call is repeated."""
    finish = Finish(task_id="t1", agent="greeter", fence=1, decision=DONE)
    (answer,), changes = GATES.finish(FINISH, [finish], {known.key: known} if known else {}, NOW)
    assert (answer, bool(changes.runs)) == (is_recorded, is_written)


def test_finish_twice_in_a_batch_is_recorded_once():
    """The second is too late."""
    finish = Finish(task_id="t1", agent="greeter", fence=1, decision=DONE)
    answers, changes = GATES.finish(FINISH, [finish, finish], {("t1", "greeter"): run(RunState.RUNNING)}, NOW)
    assert answers == (True, False)
    assert len(changes.runs) == 1


def test_release_gives_back_only_what_is_still_held():
    """Anybody else's run, and what is gone, is left alone."""
    held = [Held(task_id, "greeter", 1, is_acked) for task_id, is_acked in (("a", False), ("b", True), ("gone", True))]
    runs = [run(RunState.RUNNING, task_id="a"), run(RunState.RUNNING, task_id="b", fence=2)]
    found = {each.key: each for each in runs}
    changes = GATES.release(Request("w1", "release", 1), held, found, NOW, delay_seconds=4)
    assert [(each.task_id, each.state, each.due_at, each.is_acked) for each in changes.runs] == [
        ("a", "queued", later(4).at, False)
    ]


def test_release_gives_a_grant_back_once():
    """However often it is named in one call."""
    held = Held("t1", "greeter", 1, is_acked=True)
    found = {("t1", "greeter"): run(RunState.RUNNING)}
    changes = GATES.release(Request("w1", "release", 1), [held, held], found, NOW, delay_seconds=0)
    assert len(changes.runs) == len(changes.events) == 1
