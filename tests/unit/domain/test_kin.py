"""Runs of a batch that are made after one model: they must be no different from those that are made each for itself."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.domain.changes import changes_of
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.policy import Decision, End, RetryAfter, Wait
from omnidaemon.domain.requests import Finish, Request, StartRun
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import replace
from tests.unit.domain.samples import ERROR, GREETER, LOGGER, NOW, later, task

GATES = Gates()
BEGIN, FINISH = Request("w1", "begin", 1), Request("w1", "finish", 1)
TASKS = [
    task(task_id="t1"),
    task(task_id="t2", created_at=later(-5).at),
    task(task_id="t3", due_at=later(-1).at),
    task(task_id="t4", webhook="https://example.org/hook"),
    task(task_id="t5", reply_to="answers"),
    task(task_id="t6", reply_to="answers", hops=3),
]
INTAKES = [
    *[StartRun(task=each, subscription=GREETER, lease_seconds=30) for each in TASKS],
    StartRun(task=TASKS[0], subscription=LOGGER, lease_seconds=30),
    StartRun(task=TASKS[1], subscription=LOGGER, lease_seconds=60),
]
SUCCESS = End(state=RunState.SUCCEEDED, result=b"1")


def begun(*intakes: StartRun) -> tuple[Run, ...]:
    _, changes = GATES.begin(BEGIN, intakes, {}, Marks(), NOW)
    return changes.runs


def finish_of(run: Run, decision: Decision, **more) -> Finish:
    task_id, agent = run.key
    return Finish(task_id=task_id, agent=agent, fence=1, decision=decision, **more)


def finish(runs: tuple[Run, ...], *decisions: Decision):
    finishes = [
        finish_of(run, decision, seconds=0.1 * number)
        for number, (run, decision) in enumerate(zip(runs, decisions, strict=True))
    ]
    answers, changes = GATES.finish(FINISH, finishes, {run.key: run for run in runs}, later(7))
    assert all(answers)
    return changes


def strangers(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The same runs, none of which is known to be like another."""
    return tuple(replace(run, kin=None) for run in runs)


def test_a_batch_begins_each_run_as_if_it_were_alone():
    """Of one agent or several, with leases, delays and return addresses of their own."""
    together, alone = begun(*INTAKES), tuple(begun(intake)[0] for intake in INTAKES)
    assert together == alone
    assert [run.key for run in together] == [run.key for run in alone]


def test_only_what_is_alike_is_kin():
    """The first three have one model; each other differs in what its end has to tell, its agent or its lease."""
    first, *others = begun(*INTAKES)
    assert [run.kin is first.kin for run in others] == [True, True, False, False, False, False, False]
    assert first.kin is not None


@pytest.mark.parametrize(
    "decision",
    [
        SUCCESS,
        End(state=RunState.SUCCEEDED, result=b"2"),
        End(state=RunState.CANCELLED),
        End(state=RunState.DEAD, error=ERROR),
        RetryAfter(seconds=3, error=ERROR),
        RetryAfter(seconds=0, counts_attempt=False),
        Wait(question="really?", seconds=60, default=b"null"),
    ],
)
def test_a_batch_ends_each_run_as_if_it_were_no_kin_of_the_others(decision: Decision):
    """State, result, time, events, metrics and notifications are the same."""
    runs = begun(*INTAKES)
    decisions = [SUCCESS, *[decision] * 4, SUCCESS, SUCCESS, decision]
    changes, apart = finish(runs, *decisions), finish(strangers(runs), *decisions)
    assert changes.runs == apart.runs
    assert changes.events == apart.events
    assert changes.notifications == apart.notifications
    assert changes.metrics.keys() == apart.metrics.keys()
    for subscription, metrics in changes.metrics.items():
        assert attrs.evolve(metrics, seconds_sum=0.0) == attrs.evolve(apart.metrics[subscription], seconds_sum=0.0)
        assert metrics.seconds_sum == pytest.approx(apart.metrics[subscription].seconds_sum)


def test_an_ack_of_its_own_makes_a_run_another():
    """One whose delivery may come again is not like those whose is forgotten."""
    runs = begun(*INTAKES[:3])
    finishes = [
        finish_of(run, SUCCESS, seconds=1.0, is_acked=is_acked)
        for run, is_acked in zip(runs, (True, False, True), strict=True)
    ]
    _, changes = GATES.finish(FINISH, finishes, {run.key: run for run in runs}, NOW)
    assert [run.is_acked for run in changes.runs] == [True, False, True]
    assert changes.runs[0].kin is changes.runs[2].kin is not changes.runs[1].kin


def test_no_other_move_hands_it_on():
    """What has gone a way of its own is worked out for itself."""
    (run,) = begun(INTAKES[0])
    moved = [run.renewed(NOW), run.cancelled(NOW), run.lapsed(NOW), run.answered("q", b"1", NOW)]
    assert [each.kin for each in moved] == [None] * len(moved)
    assert [each.key for each in moved] == [run.key] * len(moved)


def test_moves_of_strangers_are_counted_one_by_one():
    """Even where they are equal: a history of one run is not a batch."""
    (run,) = strangers(begun(INTAKES[0]))
    changes = changes_of([(None, run), (run, run), (run, run)], NOW.at)
    assert [event.kind for event in changes.events] == ["started"]
    assert changes.metrics[GREETER].tasks_received == 1
