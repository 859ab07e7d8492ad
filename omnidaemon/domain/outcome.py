"""What an attempt came to, and the two exceptions by which an agent decides that itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import attrs

from omnidaemon.domain.durations import pause_text
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.instant import LONGEST_SECONDS
from omnidaemon.domain.values import Value


class ErrorKind(StrEnum):
    """Why an attempt has no value."""

    ERROR = "error"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    CRASH = "crash"
    UNDECODABLE = "undecodable"
    UNENCODABLE = "unencodable"


@attrs.frozen(kw_only=True)
class AttemptError:
    """The error of one attempt, as a person reads it later: `type` is the exception's class name."""

    type: str
    message: str
    kind: ErrorKind = ErrorKind.ERROR
    traceback: str = ""
    attempt: int = 0
    at: datetime | None = None

    @property
    def headline(self) -> str:
        """What went wrong, as Python says it: `KeyError: 'name'`."""
        return f"{self.type}: {self.message}" if self.message else self.type


# --- outcomes: what the executor reports -----------------------------------------------------------------------------


class Returned(Value, kw_only=True):
    """The handler returned a value, encoded as JSON text."""

    value: bytes


@attrs.frozen(kw_only=True)
class Failed:
    """The handler raised, timed out or was rejected. `is_final`: no further attempt can help."""

    error: AttemptError
    is_final: bool = False


@attrs.frozen(kw_only=True)
class Postponed:
    """The handler asked to be called again later (`Retry`); no attempt is burnt."""

    after_seconds: float


@attrs.frozen(kw_only=True)
class Asked:
    """The handler needs an answer before it can go on; `default` is taken when none comes in time."""

    question: str
    within_seconds: float
    default: bytes = b"null"


@attrs.frozen(kw_only=True)
class Interrupted:
    """The handler was cancelled: by a person when `is_requested`, else because the worker stops."""

    is_requested: bool


@attrs.frozen(kw_only=True)
class Expired:
    """The run was not executed: a limit on queueing, running or crashing was passed before the handler could start."""

    error: AttemptError


Outcome = Returned | Failed | Postponed | Asked | Interrupted | Expired


# --- what people raise inside an agent ----------------------------------------------------------------------------


class Retry(Exception):
    """Raise inside an agent to be called again after `after` seconds (or a timedelta); burns no attempt."""

    def __init__(self, after: float | timedelta = 0.0) -> None:
        try:
            seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
        except (TypeError, ValueError):
            raise InvalidValue("Retry(after=…)", after, "seconds or a timedelta") from None
        if not seconds <= LONGEST_SECONDS:  # also true of NaN
            raise InvalidValue("Retry(after=…)", after, "at most ten years")
        self.after_seconds = max(0.0, seconds)
        super().__init__(f"retry {pause_text(self.after_seconds)}")


class Reject(Exception):
    """Raise inside an agent to end the run as a dead letter at once, whatever attempts are left."""

    def __init__(self, reason: str = "rejected by the agent") -> None:
        self.reason = str(reason)
        super().__init__(self.reason)
