"""What a person gets to see of a task."""

from __future__ import annotations

import json

import pytest

from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import RunState, Status
from omnidaemon.domain.values import replace
from tests.unit.domain.samples import ERROR, LOGGER, NOW, later, run, task

S = RunState


def of(*runs, agents=("greeter",), agent=None, **more):
    record = TaskRecord.of(task(), created_at=NOW.at, agents=agents, runs=runs, **more)
    return TaskResult.of(record, agent, json.loads)


def test_single_agents_values_stand_at_the_top():
    """Value, times and attempts of the one run, which is also among the runs."""
    found = of(run(S.SUCCEEDED, seconds=0.5, errors=(ERROR,), attempts=2, finished_at=later(9).at))
    assert (found.status, found.result, found.error, found.agent) == (Status.SUCCEEDED, "done", None, "greeter")
    assert (found.attempts, found.duration_seconds, found.finished_at) == (2, 0.5, later(9).at)
    assert [each.agent for each in found.runs] == ["greeter"]
    assert found.is_end


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("agents", [(), ("greeter",), ("logger",), ("greeter", "logger")])
@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_result_has_the_status_of_its_task(state, agents, is_cancelled):
    """Whether the agent of the one run is the task's only one or not, and for each agent its own."""
    record = TaskRecord.of(task(), created_at=NOW.at, agents=agents, runs=(run(state),), is_cancelled=is_cancelled)
    found = TaskResult.of(record, None, json.loads)
    assert found.status is record.status
    assert {each.agent for each in found.runs} == {"greeter", *agents}
    assert {each.agent: each for each in found.runs}["greeter"].status == state.value


@pytest.mark.parametrize(
    ("state", "attempts", "has_error"),
    [(S.QUEUED, 0, False), (S.RUNNING, 1, False), (S.RETRYING, 1, True), (S.WAITING, 0, False), (S.DEAD, 2, True)],
)
def test_attempts_and_error_are_those_so_far(state, attempts, has_error):
    """The attempt that runs counts; the last error shows until there is a value."""
    found = of(run(state))
    assert (found.attempts, found.error is not None, found.is_end) == (attempts, has_error, state.is_end)


@pytest.mark.parametrize(("scheduled_for", "status"), [(None, Status.QUEUED), (NOW.at, Status.SCHEDULED)])
def test_task_that_nobody_began_waits(scheduled_for, status):
    """For its time, or for a worker."""
    found = of(scheduled_for=scheduled_for)
    assert (found.status, found.agent, found.attempts, found.result) == (status, "greeter", 0, None)


def test_the_next_attempt_is_told_of_what_waits_for_its_time():
    """When a retry is due, and when a scheduled task is; of several agents the first; of nothing else."""
    retried, later_one = run(S.RETRYING, due_at=later(5).at), run(S.RETRYING, subscription=LOGGER, due_at=later(9).at)
    assert of(retried).next_attempt_at == later(5).at
    whole = of(later_one, retried, agents=("greeter", "logger"))
    assert (whole.next_attempt_at, [each.next_attempt_at for each in whole.runs]) == (
        later(5).at,
        [later(5).at, later(9).at],
    )
    record = TaskRecord.of(task(due_at=later(7).at), created_at=NOW.at, agents=("greeter",), scheduled_for=later(7).at)
    for agents in ((), ("greeter",), ("greeter", "logger")):
        found = TaskResult.of(replace(record, agents=agents), None, json.loads)
        assert [found.next_attempt_at, *(each.next_attempt_at for each in found.runs)] == [later(7).at] * (
            1 + len(agents)
        )
    for state in set(S) - {S.RETRYING}:
        assert of(run(state, due_at=later(5).at)).next_attempt_at is None
    assert TaskResult.of(replace(record, scheduled_for=None), None, json.loads).next_attempt_at is None


def test_cancelled_task_that_nobody_began_is_cancelled():
    """Also with the one agent that would have had to."""
    assert of(is_cancelled=True).status is Status.CANCELLED


def test_several_agents_end_together():
    """Results by agent, times over all, once each has ended; before that none of it."""
    greeted = run(S.SUCCEEDED, seconds=0.5, finished_at=later(3).at)
    logged = run(S.DEAD, subscription=LOGGER, seconds=1.5, finished_at=later(5).at, started_at=later(1).at)
    found = of(greeted, logged, agents=("greeter", "logger"))
    assert (found.status, found.agent) == (Status.DEAD, None)
    assert found.result == {"greeter": "done", "logger": None}
    assert (found.error.message, found.attempts, found.duration_seconds) == ("boom", 3, 2.0)
    assert (found.started_at, found.finished_at) == (NOW.at, later(5).at)
    early = of(greeted, agents=("greeter", "logger"))
    assert (early.status, early.result, early.finished_at, early.duration_seconds) == (Status.QUEUED, None, None, None)
    assert [(each.agent, each.status) for each in early.runs] == [("greeter", "succeeded"), ("logger", "queued")]


def test_task_without_agents_is_queued():
    """Nobody has to answer for it yet."""
    found = of(agents=())
    assert (found.status, found.runs, found.is_end, found.result) == (Status.QUEUED, (), False, None)


def test_one_agents_part_can_be_asked_for():
    """Begun or not; an agent that has nothing to do with the task is an error."""
    runs = (run(S.SUCCEEDED),)
    assert of(*runs, agents=("greeter", "logger"), agent="greeter").result == "done"
    assert of(*runs, agents=("greeter", "logger"), agent="logger").status is Status.QUEUED
    with pytest.raises(TaskNotFound, match="nobody"):
        of(*runs, agent="nobody")


def test_run_that_never_started_has_no_duration():
    """Skipped and cancelled runs took no time, rather than none."""
    assert of(run(S.SKIPPED, started_at=None)).duration_seconds is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (of(), "task t1 on greet.user: queued (agent greeter)"),
        (of(agents=()), "task t1 on greet.user: queued"),
        (of(run(S.RUNNING)), "task t1 on greet.user: running (agent greeter, 1 attempt)"),
        (
            of(run(S.SUCCEEDED, seconds=0.25)),
            "task t1 on greet.user: succeeded (agent greeter, 1 attempt, 250 ms)\n'done'",
        ),
        (
            of(run(S.DEAD, seconds=3.0)),
            "task t1 on greet.user: dead (agent greeter, 2 attempts, 3 s)\nValueError: boom",
        ),
    ],
)
def test_result_prints_as_something_to_read(found, text):
    """A headline, then the value or the error."""
    assert str(found) == text


def test_result_of_several_agents_prints_each():
    """Indented below the whole."""
    found = of(run(S.SUCCEEDED), run(S.DEAD, subscription=LOGGER), agents=("greeter", "logger"))
    lines = str(found).split("\n")
    assert lines[0].startswith("task t1 on greet.user: dead (2 agents, 3 attempts")
    assert lines[1].startswith("  task t1 on greet.user: succeeded (agent greeter")
    assert lines[-1] == "  ValueError: boom"
