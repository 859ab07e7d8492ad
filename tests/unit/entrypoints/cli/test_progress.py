"""What is said of a task while somebody waits for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from omnidaemon.app.queries import AgentState, TaskDetails
from omnidaemon.domain.errors import WaitTimedOut
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.values import replace
from omnidaemon.entrypoints.cli.progress import Progress, ended_text, failed_texts, progress_text
from omnidaemon.entrypoints.cli.screen import PlainScreen
from tests.unit.entrypoints.samples import IDLE_AGENT

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RUN = TaskResult(task_id="t1", topic="greet", agent="greeter", status=Status.QUEUED, created_at=NOW)
FAILED = AttemptError(type="ValueError", message="not\n\x1b[31mtoday")
SOON = NOW + timedelta(seconds=12)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"status": Status.RUNNING, "attempts": 1}, ""),
        ({"status": Status.RUNNING, "attempts": 2}, "attempt 2 runs"),
        ({"status": Status.SCHEDULED, "next_attempt_at": SOON}, "due in 12 s"),
        (
            {"status": Status.RETRYING, "attempts": 2, "error": FAILED, "next_attempt_at": SOON},
            "again in 12 s",
        ),
        ({"status": Status.RETRYING, "attempts": 0, "next_attempt_at": SOON}, "again in 12 s"),
        (
            {"status": Status.RETRYING, "attempts": 1, "error": FAILED, "next_attempt_at": NOW - timedelta(seconds=3)},
            "due 3 s ago",
        ),
        ({"status": Status.SUCCEEDED, "attempts": 2}, ""),
    ],
)
def test_what_is_out_of_the_ordinary_is_told(changes, told):
    """Retries and when they come; not that it waits for its turn, or runs for the first time."""
    assert progress_text(replace(RUN, **changes), NOW) == told


def test_of_several_agents_each_is_named():
    """Those that have nothing to tell are left out."""
    other = replace(RUN, agent="logger", status=Status.RUNNING, attempts=3)
    whole = replace(RUN, agent=None, runs=(RUN, other))
    assert progress_text(whole, NOW) == "logger: attempt 3 runs"


def test_each_failed_attempt_is_a_line():
    """The latest ones, where they are many."""
    errors = [attrs.evolve(FAILED, attempt=number) for number in range(1, 9)]
    assert failed_texts(errors[:2], "") == [
        "attempt 1 failed: ValueError: not today",
        "attempt 2 failed: ValueError: not today",
    ]
    many = failed_texts(errors, "greeter: ")
    assert many[:2] == ["greeter: 3 more failed before", "greeter: attempt 4 failed: ValueError: not today"]
    assert len(many) == 6


class Ended:
    """A client whose task has ended like this, after these errors; `asked` counts who wanted to know of them."""

    def __init__(self, result, errors=()):
        self.ended = result
        self.errors = errors
        self.asked = 0

    async def wait_for_result(self, task_id, timeout, agent):
        return self.ended

    async def get_task(self, task_id):
        self.asked += 1
        return TaskDetails(result=self.ended, payload=1, task=None, errors=self.errors)


def progress_of(client, before=None):
    """What tells of its task."""
    return Progress(lambda *_: None, client, "t1", None, before)


async def told_of(client, before=None):
    """The result, once everything was told."""
    return await progress_of(client, before).result(1.0)


async def test_a_task_that_succeeds_at_once_costs_nothing_more(capsys):
    """Nobody asks for errors that cannot be there."""
    client = Ended(replace(RUN, status=Status.SUCCEEDED, attempts=1))
    assert await told_of(client) is client.ended
    assert (client.asked, capsys.readouterr().err) == (0, "")


async def test_failures_before_the_waiting_began_are_not_told(capsys):
    """But for the one that is to be tried again; nor is the last one, which the answer shows."""
    errors = tuple(("greeter", attrs.evolve(FAILED, attempt=number)) for number in (1, 2, 3, 4))
    client = Ended(replace(RUN, status=Status.DEAD, attempts=4, error=FAILED), errors)
    await told_of(client, replace(RUN, status=Status.RETRYING, attempts=2))
    assert capsys.readouterr().err.splitlines() == [
        "attempt 2 failed: ValueError: not today",
        "attempt 3 failed: ValueError: not today",
    ]
    await told_of(client, client.ended)
    assert capsys.readouterr().err == ""


class Deserted:
    """A client whose task runs for ever, at an agent that nobody runs at first."""

    workers = 0

    async def wait_for_result(self, task_id, timeout, agent):
        raise WaitTimedOut(task_id, timeout, "running")

    async def get_result(self, task_id, agent):
        return replace(RUN, status=Status.RUNNING, attempts=1)

    async def list_agents(self):
        status = AgentState.RUNNING if self.workers else AgentState.UNMANNED
        return [attrs.evolve(IDLE_AGENT, topic="greet", name="greeter", workers=self.workers, status=status)]


async def test_that_nobody_lives_who_runs_it_is_told_once(capsys):
    """At the end of the wait at the latest; again when it happens again."""
    client = Deserted()
    progress = progress_of(client)
    for workers, lines in ((0, 1), (0, 0), (1, 0), (0, 1)):
        client.workers = workers
        with pytest.raises(WaitTimedOut):
            await progress.result(1.0)
        assert capsys.readouterr().err.count("the worker of agent greeter is not heard any more") == lines


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": Status.SUCCEEDED, "result": {"a": 1}}, 'greeter succeeded: {"a": 1}'),
        ({"status": Status.SUCCEEDED}, "greeter succeeded"),
        ({"status": Status.DEAD, "error": FAILED}, "greeter dead: ValueError: not today"),
    ],
)
def test_what_one_of_several_agents_came_to_is_a_line(changes, told):
    """Its value or its error, if there is one."""
    assert ended_text(replace(RUN, **changes)) == told


def test_in_a_pipe_each_change_is_one_line(capsys):
    """On stderr, however often it is told, and with whatever words."""
    with PlainScreen().waiting("waiting") as tell:
        for step, text in ((1, ""), (2, "again in 2 s"), (2, "again in 1 s"), (3, "attempt 2 runs"), (3, "attempt 2")):
            tell(step, text)
    assert (capsys.readouterr()) == ("", "again in 2 s\nattempt 2 runs\n")
