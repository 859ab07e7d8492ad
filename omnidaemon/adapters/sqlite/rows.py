"""Values as rows, and rows as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from omnidaemon.domain.instant import micros, micros_or_none, moment, moment_or_none
from omnidaemon.domain.journal import JournalEvent
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

RUN_KEY: Final = ("task_id", "agent", "topic")
"""The columns of a run that never change."""

RUN_STATE: Final = (
    "state",
    "queued_at",
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
    "seconds",
    "result",
    "errors",
    "question",
    "default_answer",
    "answers",
    "return_address",
)
"""The others, in the order of `state_of`."""

RUN_COLUMNS: Final = ", ".join(f"runs.{name}" for name in ("run_id", *RUN_KEY, *RUN_STATE))
"""What `run_of` reads, after the row's number."""

STATES: Final = {state.value: state for state in RunState}
ERRORS = tuple[AttemptError, ...]
_Answers = tuple[tuple[str, bytes], ...]


def state_of(run: Run, codec: Codec) -> Row:
    """The values of the columns `RUN_STATE`."""
    return (
        run.state,
        micros(run.queued_at),
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
        run.seconds,
        run.result,
        codec.dump(run.errors) if run.errors else None,
        None if run.question is None else storable(run.question),
        run.default,
        codec.dump(run.answers) if run.answers else None,
        None if run.return_address is None else codec.dump(run.return_address),
    )


def run_of(row: Row, codec: Codec) -> Run:
    """The run of a row of `RUN_COLUMNS`."""
    (
        _,
        task_id,
        agent,
        topic,
        state,
        queued_at,
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
        seconds,
        result,
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

EVENT_COLUMNS: Final = "position, kind, task_id, topic, agent, attempt, detail, at"
"""What `event_of` reads and `row_of_event` gives."""


def row_of_event(event: JournalEvent, position: int) -> Row:
    """An event under its position."""
    return (
        position,
        event.kind,
        event.task_id,
        event.topic,
        event.agent,
        event.attempt,
        storable(event.detail),
        micros(event.at),
    )


def event_of(row: Row) -> JournalEvent:
    """The event of a row of `EVENT_COLUMNS`."""
    position, kind, task_id, *rest = row
    return JournalEvent.kept(position, task_id, (kind, *rest))
