"""The page on states, against the domain."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from omnidaemon.domain.changes import Changes
from omnidaemon.domain.errors import Conflict, NotFound
from omnidaemon.domain.gates import Gates, Marks
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.lapse_guard import LapseGuard
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import Decision, End, RetryAfter, Wait
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.requests import ClaimLimit, EndRun, Finish, Held, HoldRun, Intake, Request, StartRun
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import DUE_STATES, ENDS, RunState, Status
from omnidaemon.domain.task import Task
from tests.unit.docs.pages import DOCS, code, rows

_PAGE = DOCS / "reference" / "states.md"
_NOW = Instant(datetime(2030, 1, 1, tzinfo=UTC), 1000.0)
_SUBSCRIPTION = Subscription("greet.user", "greeter")
_TASK = Task(task_id="t1", topic="greet.user", payload=b"{}", created_at=_NOW.at)
_REQUEST = Request("w1", "lane", 1)
_GATES = Gates()

_DECISIONS: tuple[Decision, ...] = (
    *(End(state=state) for state in (RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED)),
    *(
        RetryAfter(seconds=seconds, counts_attempt=counts)
        for seconds, counts in itertools.product((0.0, 5.0), (True, False))
    ),
    Wait(question="asked", seconds=60.0),
    Wait(question="answered already", seconds=60.0),
)


def _run(state: RunState, *, is_flagged: bool = False, lease_until: float | None = None) -> Run:
    """A run in this state as a store would hold it."""
    return Run(
        task_id="t1",
        subscription=_SUBSCRIPTION,
        state=state,
        queued_at=_NOW.at,
        fence=1,
        owner="w1" if state is RunState.RUNNING else None,
        lease_until=lease_until,
        lease_seconds=30.0,
        due_at=_NOW.at if state in DUE_STATES else None,
        is_cancel_requested=is_flagged,
        question="asked" if state is RunState.WAITING else None,
        answers=(("answered already", b"1"),),
    )


def _begun() -> set[str]:
    """The states in which begin() may insert a run."""
    intakes: tuple[Intake, ...] = (
        StartRun(task=_TASK, subscription=_SUBSCRIPTION, lease_seconds=30.0),
        HoldRun(task=_TASK, subscription=_SUBSCRIPTION),
        EndRun(task=_TASK, subscription=_SUBSCRIPTION, state=RunState.DEAD),
        EndRun(task=_TASK, subscription=_SUBSCRIPTION, state=RunState.SKIPPED),
    )
    states: set[str] = set()
    for intake, cancelled in itertools.product(intakes, ((), ("t1",))):
        _, changes = _GATES.begin(_REQUEST, [intake], {}, Marks(cancelled=cancelled), _NOW)
        states |= {run.state.value for run in changes.runs}
    return states


def _moves(run: Run) -> list[Changes]:
    """Everything that gates and commands can do with a run."""
    key = {run.key: run}
    limit = ClaimLimit(subscription=_SUBSCRIPTION, slots=1, lease_seconds=30.0, crash_limit=3)
    held = Held("t1", "greeter", run.fence)
    moves = [
        _GATES.claim(_REQUEST, [limit], [run], _NOW)[1],
        _GATES.lapse([run], LapseGuard(), _NOW),
        _GATES.release(_REQUEST, [held], key, _NOW, 0.0),
    ]
    for decision in _DECISIONS:
        finish = Finish(task_id="t1", agent="greeter", fence=run.fence, decision=decision)
        moves.append(_GATES.finish(_REQUEST, [finish], key, _NOW)[1])
    record = TaskRecord.of(_TASK, created_at=_NOW.at, agents=("greeter",), runs=(run,))
    commands = (
        lambda: record.cancel("greeter", _NOW),
        lambda: record.requeue("greeter", _NOW),
        lambda: record.answer("greeter", run.question or "asked", b"1", _NOW),
    )
    for command in commands:
        try:
            moves.append(command())
        except (Conflict, NotFound):
            continue
    return moves


def test_transitions_are_those_of_the_domain():
    """The table names each move that some gate or command makes, and no other."""
    possible = {("absent", state) for state in _begun()}
    for state in RunState:
        runs = [_run(state, lease_until=2000.0)]
        if state is RunState.RUNNING:
            runs = [
                _run(state, is_flagged=flag, lease_until=until) for flag in (False, True) for until in (900.0, 1010.0)
            ]
        moved = {after.state for run in runs for changes in _moves(run) for after in changes.runs}
        possible |= {(state.value, after.value) for after in moved - {state}}
    told = {(code(source), code(target)) for source, target, _ in rows(_PAGE, "Transitions of a run")}
    assert told == possible


def test_statuses_are_those_of_the_domain():
    """Every status stands on the page, with whether it is an end."""
    told = {code(name): ended == "yes" for name, _, ended in rows(_PAGE, "Task states")}
    assert told == {status.value: status.is_end for status in Status}


def test_a_run_without_an_end_stays_known():
    """The ends of the page are those of runs."""
    assert {state.value for state in ENDS} == {code(row[0]) for row in rows(_PAGE, "Task states") if row[2] == "yes"}
    assert "state" in Run.__struct_fields__


def test_page_lists_every_event():
    """Each kind of event, and no other."""
    assert [code(row[0]) for row in rows(_PAGE, "Events")] == list(EventKind)
