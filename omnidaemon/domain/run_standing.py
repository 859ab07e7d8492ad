"""How far one agent is with one task: what a listing shows of a run, without what its worker needs."""

from __future__ import annotations

from datetime import datetime

from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import Value


class RunStanding(Value):
    """A run as people see it. `attempts` are those that counted, `crashes` the workers that died with it. `seconds` is
    how long the last attempt took. `errors` holds one entry per failed attempt and crash of this life. `result` is JSON
    text.

    Its arguments may go by their place, unlike those of other values: a listing makes thousands, and by name each takes
    thrice as long.
    """

    task_id: str
    subscription: Subscription
    state: RunState
    attempts: int = 0
    crashes: int = 0
    due_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float = 0.0
    result: bytes | None = None
    errors: tuple[AttemptError, ...] = ()
