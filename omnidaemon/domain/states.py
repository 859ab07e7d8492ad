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

    @property
    def is_end(self) -> bool:
        """Whether nothing but a requeue can move the run again."""
        return self in ENDS

    @property
    def is_due_state(self) -> bool:
        """Whether the run waits for its due time and a worker."""
        return self in DUE_STATES


DUE_STATES = frozenset({RunState.QUEUED, RunState.RETRYING, RunState.WAITING})
ENDS = frozenset({RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED, RunState.SKIPPED})


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


_END_STATUSES = frozenset(Status(state) for state in ENDS)
