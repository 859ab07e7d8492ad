"""What workers ask of the gates: plain values, each call under a request id."""

from __future__ import annotations

from datetime import datetime

import attrs

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.policy import Decision
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import Value


@attrs.frozen
class Request:
    """The id of one gate call: who asks, in which lane, and the how-manieth call of that lane it is.

    A lane has one call under way at a time. The same request asked again gets the same answer; one with a lower
    counter than the lane's latest is refused, so a call that was delayed on a dead connection grants nothing.
    """

    incarnation: str
    lane: str
    counter: int

    def __str__(self) -> str:
        return f"{self.incarnation}:{self.lane}:{self.counter}"

    def next(self) -> Request:
        """The lane's following call."""
        return Request(self.incarnation, self.lane, self.counter + 1)


# --- intakes: what begin() may be asked to do with a delivery -------------------------------------------------------


class StartRun(Value, kw_only=True):
    """Insert the run if it is absent and grant it to the caller."""

    task: Task
    subscription: Subscription
    lease_seconds: float


@attrs.frozen(kw_only=True)
class HoldRun:
    """Insert the run if it is absent, due after `delay_seconds`, granted to nobody: surplus, moved, or not readable
    yet."""

    task: Task | Unreadable
    subscription: Subscription
    delay_seconds: float = 0.0


@attrs.frozen(kw_only=True)
class EndRun:
    """Insert the run if it is absent, ended before it ever ran: skipped, or dead because nobody can decode it."""

    task: Task | Unreadable
    subscription: Subscription
    state: RunState
    error: AttemptError | None = None


NEWER_SCHEMA_PAUSE_SECONDS = 60.0
"""How long a task that only a newer version can read is left alone before somebody looks at it again."""


def undecodable(task: Unreadable) -> AttemptError:
    """The error of a task that nobody will ever be able to read."""
    return AttemptError(type="Undecodable", message=task.reason, kind=ErrorKind.UNDECODABLE)


Intake = StartRun | HoldRun | EndRun


# --- claims, grants, finishes ---------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ClaimLimit:
    """How many runs of one agent the caller can take, and the terms of its policy that the gate needs."""

    subscription: Subscription
    slots: int
    lease_seconds: float
    crash_limit: int


class Grant(Value, kw_only=True):
    """The right to execute a run: `run.fence` under `run.owner`, for as long as its lease is renewed.

    `at` is the store's time as it answered: the run's ages are counted from there, whatever the worker's clock says.
    It is the answer's, not the grant's, so the same request asked again may be told a later one.
    """

    run: Run
    task: Task | Unreadable
    at: datetime

    def __eq__(self, other: object) -> bool:
        return (self.run, self.task) == (other.run, other.task) if isinstance(other, Grant) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.run, self.task))


@attrs.frozen(kw_only=True)
class Claims:
    """What claim_due() gave: the grants, when to ask again, and whether runs at their last chance wait for a caller
    that has nothing else to do (`next_due_seconds` is None when nothing is to come due)."""

    grants: tuple[Grant, ...] = ()
    next_due_seconds: float | None = None
    has_last_chance: bool = False


class Held(Value):
    """A grant as its owner names it when it renews or releases."""

    task_id: str
    agent: str
    fence: int
    is_acked: bool = True


@attrs.frozen(kw_only=True)
class Renewals:
    """Which of the grants asked about are gone, and which of those that remain shall be cancelled."""

    lost: frozenset[tuple[str, str]] = frozenset()
    cancelled: frozenset[tuple[str, str]] = frozenset()


class Finish(Value, kw_only=True):
    """What became of a grant. `seconds` is the handler's own running time."""

    task_id: str
    agent: str
    fence: int
    decision: Decision
    seconds: float = 0.0
    is_acked: bool = True
