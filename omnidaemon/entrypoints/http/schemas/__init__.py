"""What goes in and out, for FastAPI to check and for the OpenAPI document to tell. The answers are made by `shapes`."""

from omnidaemon.entrypoints.http.schemas.fleet import Agent, Moved, Purged, Topic, Worker, WorkersAgent
from omnidaemon.entrypoints.http.schemas.inputs import ChosenDeadLetters, NewTask
from omnidaemon.entrypoints.http.schemas.kinds import NAME_PATTERN
from omnidaemon.entrypoints.http.schemas.tasks import (
    AttemptError,
    DeadLettersDone,
    DeadRun,
    FailedRun,
    FailureText,
    JournalEvent,
    Receipt,
    Run,
    RunError,
    TaskDetails,
    TaskPage,
    TaskResult,
    Unreadable,
)
from omnidaemon.entrypoints.http.schemas.whole import Checkup, Counted, Finding, Flaw, Health, Probe, Problem, Setting

__all__ = [
    "NAME_PATTERN",
    "Agent",
    "AttemptError",
    "Checkup",
    "ChosenDeadLetters",
    "Counted",
    "DeadLettersDone",
    "DeadRun",
    "FailedRun",
    "FailureText",
    "Finding",
    "Flaw",
    "Health",
    "JournalEvent",
    "Moved",
    "NewTask",
    "Probe",
    "Problem",
    "Purged",
    "Receipt",
    "Run",
    "RunError",
    "Setting",
    "TaskDetails",
    "TaskPage",
    "TaskResult",
    "Topic",
    "Unreadable",
    "Worker",
    "WorkersAgent",
]
