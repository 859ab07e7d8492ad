"""What goes in and out, for FastAPI to check and for the OpenAPI document to tell. The answers are made by `shapes`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from omnidaemon.domain.states import Status

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,200}$"
_TIME = {"type": "string", "format": "date-time", "example": "2030-01-31T12:00:00+00:00"}

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
ShownTime = Annotated[str, WithJsonSchema(_TIME)]
AnyJson = Annotated[Any, Field(description="Any JSON value.")]


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a text such as 2030-01-31T12:00:00Z")  # noqa: TRY004 - what pydantic takes for a flaw
    at = datetime.fromisoformat(value)
    if at.utcoffset() is None:
        raise ValueError("a time with its zone, such as 2030-01-31T12:00:00Z")
    return at


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_TIME)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Output(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_mode_override="serialization")


# --- what goes in -----------------------------------------------------------------------------------------------------


class NewTask(_Input):
    """A task to be published."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"topic": "greet.user", "payload": {"name": "Alice"}}]},
    )

    topic: Name
    payload: AnyJson
    delay: float | None = Field(
        None, ge=0, le=1e10, allow_inf_nan=False, description="Run it this many seconds later; excludes `due_at`."
    )
    due_at: Instant | None = Field(None, description="Run it at this time, with a zone; excludes `delay`.")
    idempotency_key: Text | None = Field(
        None, description="The same key on a topic gives the same task again. Also as the header `Idempotency-Key`."
    )
    correlation_id: Text | None = Field(None, description="What this task belongs to; its own id unless given.")
    causation_id: Text | None = Field(None, description="What brought this task about.")
    headers: dict[Name, Annotated[str, StringConstraints(max_length=1000)]] | None = Field(
        None, description="Texts that go along with the task."
    )


class ChosenDeadLetters(_Input):
    """Dead letters of a topic: some by the ids of their tasks, or all of them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"topic": "greet.user", "all": True}]},
    )

    topic: Name
    task_ids: list[str] = Field(default_factory=list, max_length=1000)
    all: bool = False


# --- tasks ------------------------------------------------------------------------------------------------------------


class Receipt(_Output):
    """A task was published, and is kept."""

    task_id: str
    status: Literal["queued", "scheduled"]


class AttemptError(_Output):
    """What an attempt failed of. `attempt` is 0 for what happened outside of any."""

    type: str
    message: str
    kind: str
    traceback: str | None
    attempt: int
    at: ShownTime | None


class Run(_Output):
    """One agent's work on a task; `result` is the value that it returned."""

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


class TaskResult(Run):
    """A task as it stands, with one entry in `runs` for each of its agents. With several agents `agent` is null and
    `result` maps their names to values, once all have ended."""

    runs: list[Run]


class TaskPage(_Output):
    """Tasks, newest first, and the cursor for those that follow, null at the end."""

    tasks: list[TaskResult]
    cursor: str | None


class JournalEvent(_Output):
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


class Unreadable(_Output):
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
    unreadable: Unreadable | None
    is_cancel_requested: bool
    errors: list[RunError]
    events: list[JournalEvent]


class DeadRun(_Output):
    """One agent's dead run of a task."""

    task_id: str
    agent: str


class FailureText(_Output):
    """Why something could not be done."""

    type: str
    message: str
    hint: str | None


class FailedRun(DeadRun):
    """A dead run that has changed meanwhile."""

    error: FailureText


class DeadLettersDone(_Output):
    """What was done to dead letters: the tasks, their runs one by one, and those that had changed meanwhile."""

    task_ids: list[str]
    runs: list[DeadRun]
    failed: list[FailedRun]


# --- agents, workers, topics ------------------------------------------------------------------------------------------


class Agent(_Output):
    """An agent. `unmanned`: it may work, but no worker runs it. `waiting` is null for a bus that cannot tell."""

    topic: str
    name: str
    status: Literal["running", "stopped", "unmanned"]
    description: str
    tools: list[str]
    workers: int
    when_stopped: str
    concurrency: int
    waiting: int | None
    counts: dict[str, int]


class Moved(_Output):
    """How many waiting tasks were handed over to another agent."""

    moved: int


class WorkersAgent(_Output):
    """An agent that a worker runs."""

    topic: str
    name: str


class Worker(_Output):
    """A process that runs agents."""

    id: str
    status: Literal["alive", "draining", "lost"]
    host: str
    pid: int
    version: str
    started_at: ShownTime
    seen_at: ShownTime
    running: int
    agents: list[WorkersAgent]


class Topic(_Output):
    """What waits on the bus for one agent of a topic; `agent` is null for a topic that has none yet."""

    topic: str
    agent: str | None
    waiting: int
    held: int


class Purged(_Output):
    """How many deliveries were dropped."""

    purged: int


# --- the whole --------------------------------------------------------------------------------------------------------


class Health(_Output):
    """Whether it can work, and in `notes` what is lossy or degraded."""

    status: Literal["ok", "degraded", "unavailable"]
    bus: str
    store: str
    workers: int
    agents: int
    notes: list[str]


class Probe(_Output):
    """The answer to a probe."""

    status: Literal["ok", "unavailable"]


class Timing(_Output):
    """How many attempts took up to so many seconds, and longer than those of the entry before."""

    seconds: float
    attempts: int


class Counted(_Output):
    """What one agent has done; `tasks_failed` counts attempts that raised."""

    tasks_received: int
    tasks_processed: int
    tasks_failed: int
    tasks_skipped: int
    tasks_retried: int
    tasks_dead_lettered: int
    tasks_cancelled: int
    tasks_crashed: int
    avg_processing_time_sec: float
    p95_processing_time_sec: float
    attempts_timed: int
    seconds_sum: float
    timings: list[Timing]


class Setting(_Output):
    """A setting's value, without secrets, and where it came from."""

    value: str
    origin: str


class Finding(_Output):
    """One thing that was looked at."""

    severity: Literal["wrong", "weak", "fine"]
    about: str
    found: str
    advice: str


class Checkup(_Output):
    """What was found; `ok` unless something is wrong."""

    ok: bool
    findings: list[Finding]


class Flaw(_Output):
    """One flaw of the input, and where it is."""

    where: str
    message: str


class Problem(_Output):
    """An error (RFC 9457). `error` is the name that the same error has in Python, `attributes` what it says of itself."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    attributes: dict[str, Any]
    errors: list[Flaw]
