"""Values as rows, and rows as values."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from omnidaemon.domain.instant import micros, micros_or_none, moment, moment_or_none
from omnidaemon.domain.journal import JournalEntry
from omnidaemon.domain.names import subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.texts import storable
from omnidaemon.ports.codec import Codec

Row = Sequence[Any]
"""What SQLite takes and gives for one row."""

# --- runs ---------------------------------------------------------------------------------------------------------

OWN_STATE: Final = ("queued_at", "seconds", "result")
"""The columns of a run that differ among those that move alike, in the order of `own_of`."""

SHARED_STATE: Final = (
    "state",
    "life",
    "fence",
    "owner",
    "request",
    "attempts",
    "crashes",
    "due_at",
    "lease_until",
    "lease_seconds",
    "is_cancel_requested",
    "is_acked",
    "started_at",
    "finished_at",
    "errors",
    "question",
    "default_answer",
    "answers",
    "return_address",
)
"""The others that change, in the order of `shared_of`."""

LIKENESS: Final = attrgetter("subscription", *(name.removesuffix("_answer") for name in SHARED_STATE))
"""What runs that move alike have in common."""

RUN_COLUMNS: Final = ", ".join(
    f"runs.{name}" for name in ("run_id", "revision", "task_id", "agent", "topic", *OWN_STATE, *SHARED_STATE)
)
"""What `run_of` reads, after the row's number and revision."""

STATES: Final = {state.value: state for state in RunState}
ERRORS = tuple[AttemptError, ...]
_Answers = tuple[tuple[str, bytes], ...]


def own_of(run: Run) -> Row:
    """The values of the columns `OWN_STATE`."""
    return (micros(run.queued_at), run.seconds, run.result)


def shared_of(run: Run, codec: Codec) -> Row:
    """The values of the columns `SHARED_STATE`."""
    return (
        run.state,
        run.life,
        run.fence,
        run.owner,
        run.request,
        run.attempts,
        run.crashes,
        micros_or_none(run.due_at),
        run.lease_until,
        run.lease_seconds,
        run.is_cancel_requested,
        run.is_acked,
        micros_or_none(run.started_at),
        micros_or_none(run.finished_at),
        codec.dump(run.errors) if run.errors else None,
        None if run.question is None else storable(run.question),
        run.default,
        codec.dump(run.answers) if run.answers else None,
        None if run.return_address is None else codec.dump(run.return_address),
    )


def run_of(row: Row, codec: Codec) -> Run:
    """The run of a row of `RUN_COLUMNS`."""
    (
        *_,
        task_id,
        agent,
        topic,
        queued_at,
        seconds,
        result,
        state,
        life,
        fence,
        owner,
        request,
        attempts,
        crashes,
        due_at,
        lease_until,
        lease_seconds,
        is_cancel_requested,
        is_acked,
        started_at,
        finished_at,
        errors,
        question,
        default,
        answers,
        return_address,
    ) = row
    return Run(
        task_id=task_id,
        subscription=subscription(topic, agent),
        state=STATES[state],
        queued_at=moment(queued_at),
        life=life,
        fence=fence,
        owner=owner,
        request=request,
        attempts=attempts,
        crashes=crashes,
        due_at=moment_or_none(due_at),
        lease_until=lease_until,
        lease_seconds=lease_seconds,
        is_cancel_requested=bool(is_cancel_requested),
        is_acked=bool(is_acked),
        started_at=moment_or_none(started_at),
        finished_at=moment_or_none(finished_at),
        seconds=seconds,
        result=result,
        errors=() if errors is None else codec.load(errors, ERRORS),
        question=question,
        default=default,
        answers=() if answers is None else codec.load(answers, _Answers),
        return_address=None if return_address is None else codec.load(return_address, ReturnAddress),
    )


# --- tasks --------------------------------------------------------------------------------------------------------

TASK_COLUMNS: Final = "tasks.task_id, tasks.topic, tasks.unreadable, tasks.body"
"""What `task_of` reads."""


def flaw_of(task: Task | Unreadable, codec: Codec) -> str | None:
    """The column `unreadable`: the reason, without the bytes, which are the body."""
    if isinstance(task, Task):
        return None
    return codec.dump({"reason": task.reason, "is_newer": task.is_newer}).decode()


def task_of(row: Row, codec: Codec) -> Task | Unreadable:
    """The task of a row of `TASK_COLUMNS`. What was unreadable is read again: this may be a newer version."""
    task_id, topic, flaw, body = row
    task = codec.decode_task(body, task_id=task_id, topic=topic)
    if flaw is None or isinstance(task, Task):
        return task
    told: Any = codec.decode_value(flaw.encode())
    return Unreadable(task_id=task_id, topic=topic, raw=body, reason=told["reason"], is_newer=told["is_newer"])


# --- journal ------------------------------------------------------------------------------------------------------

SHARED_OF_ENTRY: Final = ("kind", "topic", "agent", "attempt", "detail", "at")
"""The columns of what the events of an entry share, in the order of `shared_of_entry`."""


def shared_of_entry(entry: JournalEntry) -> Row:
    """The values of the columns `SHARED_OF_ENTRY`."""
    return (entry.kind, entry.topic, entry.agent, entry.attempt, storable(entry.detail), micros(entry.at))
