"""A result as a JSON object: what is printed, served, posted to webhooks and published as a reply is the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.result import TaskResult


def task_result(result: TaskResult) -> dict[str, Any]:
    """A task as it stands, with one entry in `runs` for each of its agents."""
    return {**_run(result), "runs": [_run(run) for run in result.runs]}


def _run(result: TaskResult) -> dict[str, Any]:
    return {
        "task_id": result.task_id,
        "topic": result.topic,
        "agent": result.agent,
        "status": result.status.value,
        "result": result.result,
        "error": None if result.error is None else attempt_error(result.error),
        "attempts": result.attempts,
        "created_at": moment(result.created_at),
        "started_at": moment(result.started_at),
        "finished_at": moment(result.finished_at),
        "duration_seconds": result.duration_seconds,
        "next_attempt_at": moment(result.next_attempt_at),
    }


def attempt_error(error: AttemptError) -> dict[str, Any]:
    """The error of one attempt. `attempt` is 0 for what happened outside of any."""
    return {
        "type": error.type,
        "message": error.message,
        "kind": error.kind.value,
        "traceback": error.traceback,
        "attempt": error.attempt,
        "at": moment(error.at),
    }


def moment(at: datetime | None) -> str | None:
    """A time as text."""
    return None if at is None else at.isoformat()
