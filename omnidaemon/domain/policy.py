"""How an agent's runs are delivered: attempts, backoff, time-outs; a pure function from counts and outcome to
decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, cast

import attrs

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.instant import LONGEST_SECONDS
from omnidaemon.domain.outcome import (
    Asked,
    AttemptError,
    ErrorKind,
    Expired,
    Failed,
    Interrupted,
    Outcome,
    Postponed,
    Returned,
)
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import Value

Seconds = float | timedelta


class Counts(Value, kw_only=True):
    """What a policy may know of a run: finished attempts that counted, crashes, and its age at the store's clock."""

    attempts: int = 0
    crashes: int = 0
    queued_seconds: float = 0.0
    running_seconds: float = 0.0


class OnLostLease(StrEnum):
    """What becomes of a handler whose run is another worker's by now: it is cancelled, or goes on to its end."""

    CANCEL = "cancel"
    FINISH = "finish"


# --- decisions: what the store shall do with the run ---------------------------------------------------------------


class End(Value, kw_only=True):
    """The run is over."""

    state: RunState
    result: bytes | None = None
    error: AttemptError | None = None
    counts_attempt: bool = True


@attrs.frozen(kw_only=True)
class RetryAfter:
    """The run is due again after `seconds`. `counts_attempt` is False when the attempt shall not be held against it."""

    seconds: float
    error: AttemptError | None = None
    counts_attempt: bool = True


@attrs.frozen(kw_only=True)
class Wait:
    """The run frees its slot until `question` is answered, for `seconds` at most; then `default` is the answer."""

    question: str
    seconds: float
    default: bytes = b"null"


Decision = End | RetryAfter | Wait


def _as_seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _within(
    low: float, high: float = LONGEST_SECONDS, *, whole: bool = False, kind: str = "number"
) -> Callable[[object, attrs.Attribute[Any], Any], None]:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None:
            return
        is_number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not is_number or not low <= cast("float", value) <= high:
            expected = f"a {'whole ' if whole else ''}{kind} from {low:.10g} to {high:,.10g}"
            raise InvalidValue(f"DeliveryPolicy.{field.name}", value, expected)

    return check


_lasting = partial(_within, kind="number of seconds or a timedelta,")


def _exceptions(_: object, field: attrs.Attribute[Any], value: tuple[type, ...]) -> None:
    if not all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in cast("tuple[object, ...]", value)
    ):
        raise InvalidValue(f"DeliveryPolicy.{field.name}", value, "exception classes")


def _as_on_lost_lease(value: object) -> OnLostLease:
    if value not in tuple(OnLostLease):
        raise InvalidValue("DeliveryPolicy.on_lost_lease", value, "'cancel' or 'finish'")
    return OnLostLease(cast("str", value))


def _as_tuple(value: type | tuple[type, ...]) -> tuple[type, ...]:
    # What is neither is refused by the validator, with the name of the field.
    return tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)


@attrs.frozen(kw_only=True)
class DeliveryPolicy:
    """How often, how long and after which pauses an agent's runs are tried. Durations are seconds or timedelta.

    `timeout` bounds one attempt, `run_timeout` the run from its first start over all attempts, `queue_timeout` the
    time before the first start. A worker that dies burns a crash, not an attempt; after `crash_limit` crashes the run
    is dead. `retry_on` and `no_retry_on` are exception classes; the second wins.

    A worker that was cut off or stood still for longer than `lease` loses its runs to others. `on_lost_lease` says
    what its own handlers do then: `"cancel"` stops them, as far as they can be stopped, and frees their slots;
    `"finish"` lets each come to its end in its slot, for one that must not be cut off in the middle; beside its
    successor and without a slot, where this very worker takes the run again. The outcome is refused either way.
    """

    max_attempts: int = attrs.field(default=5, validator=_within(1, whole=True))
    backoff: float = attrs.field(default=1.0, converter=_as_seconds, validator=_lasting(0))
    backoff_factor: float = attrs.field(default=2.0, validator=_within(1))
    backoff_max: float = attrs.field(default=300.0, converter=_as_seconds, validator=_lasting(0))
    jitter: float = attrs.field(default=0.1, validator=_within(0, 1))
    timeout: float | None = attrs.field(default=None, converter=_as_seconds, validator=_lasting(0.001))
    run_timeout: float | None = attrs.field(default=None, converter=_as_seconds, validator=_lasting(0.001))
    queue_timeout: float | None = attrs.field(default=None, converter=_as_seconds, validator=_lasting(0.001))
    lease: float = attrs.field(default=30.0, converter=_as_seconds, validator=_lasting(0.2))
    crash_limit: int = attrs.field(default=3, validator=_within(1, whole=True))
    retry_on: tuple[type[BaseException], ...] = attrs.field(
        default=(Exception,), converter=_as_tuple, validator=_exceptions
    )
    no_retry_on: tuple[type[BaseException], ...] = attrs.field(default=(), converter=_as_tuple, validator=_exceptions)
    on_lost_lease: OnLostLease = attrs.field(default=OnLostLease.CANCEL, converter=_as_on_lost_lease)

    @property
    def finishes_lost_runs(self) -> bool:
        """Whether a handler goes on whose run is another worker's by now."""
        return self.on_lost_lease is OnLostLease.FINISH

    @property
    def has_limits(self) -> bool:
        """Whether it matters for how long a run has waited and run."""
        return not (self.timeout is self.run_timeout is self.queue_timeout is None)

    def is_retryable(self, error: BaseException) -> bool:
        """Whether another attempt may follow this exception."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.no_retry_on)

    def is_last_chance(self, crashes: int) -> bool:
        """Whether one more crash would end the run: such a run is executed alone, so that it takes no other along."""
        return is_last_chance(crashes, self.crash_limit)

    def backoff_seconds(self, attempts: int, chance: float = 0.5) -> float:
        """The pause after the given number of counted attempts; `chance` in [0, 1) spreads it by ± `jitter`."""
        # The exponent is bounded so that a run retried a thousand times cannot overflow the float.
        grown = self.backoff * self.backoff_factor ** min(attempts - 1, 64) if attempts > 0 else 0.0
        return min(min(grown, self.backoff_max) * (1.0 + self.jitter * (2.0 * chance - 1.0)), self.backoff_max)

    def before_start(self, counts: Counts) -> Expired | None:
        """What ends a granted run before its handler starts, if anything does: crashes, or a limit on its age."""
        if counts.crashes >= self.crash_limit:
            return Expired(error=_limit(ErrorKind.CRASH, "Crashed", f"its worker died {counts.crashes} times"))
        if self.queue_timeout is not None and counts.queued_seconds > self.queue_timeout:
            return Expired(error=_timed_out("QueueTimeout", "not started", self.queue_timeout))
        if self.run_timeout is not None and counts.running_seconds > self.run_timeout:
            return Expired(error=_timed_out("RunTimeout", "not finished", self.run_timeout))
        return None

    def attempt_seconds(self, counts: Counts) -> float | None:
        """How long the attempt that starts now may take: what is left of `timeout` and `run_timeout`, None if
        unbounded."""
        left = None if self.run_timeout is None else max(0.0, self.run_timeout - counts.running_seconds)
        limits = [limit for limit in (self.timeout, left) if limit is not None]
        return min(limits) if limits else None

    def decide(self, counts: Counts, outcome: Outcome, chance: float = 0.5) -> Decision:
        """What becomes of the run; `counts` are those before this outcome, `chance` in [0, 1) is for the jitter."""
        match outcome:
            case Returned():
                return succeeded(outcome)
            case Failed(error=error, is_final=True):
                return End(state=RunState.DEAD, error=error)
            case Expired(error=error):
                return End(state=RunState.DEAD, error=error, counts_attempt=False)
            case Failed(error=error):
                return self._after_failure(counts, error, chance)
            case Postponed(after_seconds=seconds):
                if self.run_timeout is not None and self._outlives(counts, seconds):
                    return End(state=RunState.DEAD, error=_timed_out("RunTimeout", "not finished", self.run_timeout))
                return RetryAfter(seconds=seconds, counts_attempt=False)
            case Asked(question=question, within_seconds=seconds, default=default):
                return Wait(question=question, seconds=seconds, default=default)
            case Interrupted(is_requested=True):
                return End(state=RunState.CANCELLED)
            case Interrupted():
                # A handler that cancels itself would come back at once, each time: it must not spin.
                pause = self.backoff_seconds(1, chance)
                return RetryAfter(seconds=0.0 if self._outlives(counts, pause) else pause, counts_attempt=False)

    def _after_failure(self, counts: Counts, error: AttemptError, chance: float) -> Decision:
        attempts = counts.attempts + 1
        pause = self.backoff_seconds(attempts, chance)
        if attempts >= self.max_attempts or self._outlives(counts, pause):
            return End(state=RunState.DEAD, error=error)
        return RetryAfter(seconds=pause, error=error)

    def _outlives(self, counts: Counts, pause: float) -> bool:
        return self.run_timeout is not None and counts.running_seconds + pause > self.run_timeout


def succeeded(outcome: Returned) -> End:
    """What becomes of a run that returned, whatever its policy and its past."""
    return End(state=RunState.SUCCEEDED, result=outcome.value)


def is_last_chance(crashes: int, crash_limit: int) -> bool:
    """Whether a run that crashed this often would be ended by one more; one that never crashed is not suspect."""
    return 0 < crashes == crash_limit - 1


def _timed_out(name: str, what: str, seconds: float) -> AttemptError:
    return _limit(ErrorKind.TIMEOUT, name, f"{what} in {duration_text(seconds)}")


def _limit(kind: ErrorKind, name: str, message: str) -> AttemptError:
    return AttemptError(type=name, message=message, kind=kind)
