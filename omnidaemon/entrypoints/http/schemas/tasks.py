"""Tasks, as they are answered."""

from __future__ import annotations

from pydantic import Field

from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.http.schemas.kinds import AnyJson, Output, ShownTime


class Receipt(Output):
    """A task was published, and is kept. `status` is `queued` or `scheduled`; of a task that was published before under
    the same idempotency key, it is how that task stands now."""

    task_id: str
    status: Status
    known_since: ShownTime | None = Field(
        None, description="Left out, or when the task was published that the key stands for already: nothing was now."
    )
    warning: str | None = Field(None, description="Left out, or why nobody takes the task up: no agent of the topic.")


class AttemptError(Output):
    """What an attempt failed of. `attempt` is 0 for what happened outside of any."""

    type: str
    message: str
    kind: str
    traceback: str | None
    attempt: int
    at: ShownTime | None


class Run(Output):
    """One agent's work on a task; `result` is the value that it returned. `next_attempt_at` is null unless it is
    scheduled or retrying."""

    task_id: str
    topic: str
    agent: str | None
    status: Status
    result: AnyJson
    error: AttemptError | None
    attempts: int
    created_at: ShownTime
    started_at: ShownTime | None
    finished_at: ShownTime | None
    duration_seconds: float | None
    next_attempt_at: ShownTime | None


class TaskResult(Run):
    """A task as it stands, with one entry in `runs` for each of its agents. With several agents `agent` is null and
    `result` maps their names to values, once all have ended."""

    runs: list[Run]


class TaskPage(Output):
    """Tasks, newest first, and the cursor for those that follow, null at the end."""

    tasks: list[TaskResult]
    cursor: str | None


class JournalEvent(Output):
    """What happened to a task. `position` grows with each event."""

    kind: str
    task_id: str
    topic: str
    agent: str | None
    attempt: int
    detail: str
    at: ShownTime
    position: int


class RunError(AttemptError):
    """The error of one attempt of one agent."""

    agent: str


class Unreadable(Output):
    """A task that could not be decoded: why, and its bytes."""

    reason: str
    raw_base64: str


class TaskDetails(TaskResult):
    """Everything about a task."""

    payload: AnyJson
    headers: dict[str, str]
    due_at: ShownTime | None
    correlation_id: str | None
    causation_id: str | None
    idempotency_key: str | None
    webhook: str | None
    reply_to: str | None
    unreadable: Unreadable | None
    is_cancel_requested: bool
    errors: list[RunError]
    events: list[JournalEvent]


class DeadRun(Output):
    """One agent's dead run of a task."""

    task_id: str
    agent: str


class FailureText(Output):
    """Why something could not be done."""

    type: str
    message: str
    hint: str | None


class FailedRun(DeadRun):
    """A dead run that has changed meanwhile."""

    error: FailureText


class DeadLettersDone(Output):
    """What was done to dead letters: the tasks, their runs one by one, and those that had changed meanwhile. `cursor`
    goes on with the rest of all, and is null when there is none."""

    task_ids: list[str]
    runs: list[DeadRun]
    failed: list[FailedRun]
    cursor: str | None
