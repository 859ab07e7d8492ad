"""The states of a run, and the statuses that a person sees."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run is. `QUEUED`, `RETRYING` and `WAITING` become due and are claimed; the last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    is_end: bool
    """Whether nothing but a requeue can move the run again."""

    is_due_state: bool
    """Whether the run waits for its due time and a worker."""

    __hash__ = str.__hash__  # Enum's own is a function of Python, called at each look into a table of states

    def __init__(self, name: str) -> None:
        # Said once for each member: a task asks for this ten times.
        self.is_end = name in {"succeeded", "dead", "cancelled", "skipped"}
        self.is_due_state = name in {"queued", "retrying", "waiting"}


DUE_STATES = frozenset(state for state in RunState if state.is_due_state)
ENDS = frozenset(state for state in RunState if state.is_end)


class Status(StrEnum):
    """What a person is told of a task or a run: the run's states, and `SCHEDULED` for a task that is not yet due."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_end(self) -> bool:
        """Whether it will not change by itself any more."""
        return self in _END_STATUSES


STATUSES = {state: Status(state) for state in RunState}
"""What a person is told of each state."""

_END_STATUSES = frozenset(Status(state) for state in ENDS)
