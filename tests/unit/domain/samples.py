"""Values that the tests of the domain begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import replace

NOW = Instant(datetime(2030, 1, 1, tzinfo=UTC), 1000.0)
GREETER = Subscription("greet.user", "greeter")
LOGGER = Subscription("greet.user", "logger")
ERROR = AttemptError(type="ValueError", message="boom")


def later(seconds: float) -> Instant:
    """The instant so many seconds after NOW."""
    return Instant(NOW.after(seconds), NOW.steady + seconds)


def task(task_id: str = "t1", **more) -> Task:
    """A task published at NOW."""
    return Task(**{"task_id": task_id, "topic": "greet.user", "payload": b"{}", "created_at": NOW.at, **more})


def run(state: RunState = RunState.QUEUED, **more) -> Run:
    """A run that has come to this state in the usual way."""
    fresh = Run(task_id="t1", subscription=GREETER, state=RunState.QUEUED, queued_at=NOW.at, due_at=NOW.at)
    running = fresh.granted(owner="w1", request="w1:begin:1", lease_seconds=30.0, now=NOW)
    waiting = {"owner": None, "lease_until": None, "due_at": later(60).at}
    ended = {"owner": None, "lease_until": None, "due_at": None, "finished_at": NOW.at}
    facts: dict[RunState, dict[str, Any]] = {
        RunState.QUEUED: {},
        RunState.RUNNING: {},
        RunState.RETRYING: {**waiting, "attempts": 1, "errors": (ERROR,)},
        RunState.WAITING: {**waiting, "question": "ok?", "default": b"false"},
        RunState.SUCCEEDED: {**ended, "attempts": 1, "result": b'"done"'},
        RunState.DEAD: {**ended, "attempts": 2, "errors": (ERROR, ERROR)},
        RunState.CANCELLED: ended,
        RunState.SKIPPED: ended,
    }
    return replace(fresh if state is RunState.QUEUED else running, state=state, **{**facts[state], **more})
