"""The agents' side: runs handlers on the caller's loop or in threads, and says what each attempt came to."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import contextvars
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from omnidaemon.app.bridge import Assignment, Report, StopReason, Workforce
from omnidaemon.app.context import Context, PublishFrom
from omnidaemon.domain.outcome import (
    AttemptError,
    ErrorKind,
    Failed,
    Interrupted,
    Outcome,
    Postponed,
    Reject,
    Retry,
    Returned,
)
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.telemetry import Level, Telemetry

_TRACEBACK_LIMIT = 50
_UNSTOPPABLE_SECONDS = 5.0
_REPR_CHARACTERS = 2000
_OWN_FILES = frozenset({__file__, concurrent.futures.thread.__file__})


@attrs.define(eq=False)
class _Attempt:
    """One handler under way. `is_cancellable`: a coroutine of the agent is what its task waits for."""

    assignment: Assignment
    context: Context
    task: asyncio.Task[None] | None = None
    reason: StopReason | None = None
    is_cancellable: bool = False
    timers: list[asyncio.TimerHandle] = attrs.field(factory=list[asyncio.TimerHandle])


class Executor(Workforce):
    """Belongs to the loop that made it, the agents'. assign() and stop() may be called from any thread; reports go to
    `on_reports`, on this loop, all that were made in one turn of it together."""

    def __init__(
        self,
        *,
        codec: Codec,
        telemetry: Telemetry,
        publish: PublishFrom,
        result_max_bytes: int,
        threads: int,
        unstoppable_seconds: float = _UNSTOPPABLE_SECONDS,
    ) -> None:
        self._codec = codec
        self._telemetry = telemetry
        self._publish = publish
        self._result_max_bytes = result_max_bytes
        self._threads = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="omnidaemon-agent")
        self._unstoppable_seconds = unstoppable_seconds
        self._loop = asyncio.get_running_loop()
        self._attempts: dict[RunKey, _Attempt] = {}
        self._reports: list[Report] = []
        self._on_reports: Callable[[list[Report]], None] = lambda _: None

    def on_reports(self, take: Callable[[list[Report]], None]) -> None:
        """Where reports go."""
        self._on_reports = take

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Start these on the agents' loop."""
        self._loop.call_soon_threadsafe(self._start, assignments)

    def stop(self, keys: Sequence[RunKey], reason: StopReason) -> None:
        """Have these stopped on the agents' loop."""
        self._loop.call_soon_threadsafe(self._stop, keys, reason)

    def close(self) -> bool:
        """Take no more; whether no thread is left that a handler blocks."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        return not any(not attempt.assignment.agent.is_async for attempt in self._attempts.values())

    def culprit(self) -> str:
        """Who holds the loop up just now, as well as can be told from another thread."""
        task = asyncio.current_task(self._loop)
        running = {attempt.task: attempt.assignment for attempt in tuple(self._attempts.values())}
        if task in running:
            return f"agent {running[task].agent.subscription} (task {running[task].grant.run.task_id})"
        names = sorted({str(assignment.agent.subscription) for assignment in running.values()})
        return f"one of the agents {', '.join(names)}" if names else "code outside of the agents"

    # --- on the agents' loop ------------------------------------------------------------------------------------------

    def _start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            context = Context(assignment.grant, assignment.task, self._telemetry.logger, self._publish)
            attempt = _Attempt(assignment, context)
            older = self._attempts.get(assignment.grant.run.key)
            if older is not None and older.reason is None:
                self._interrupt(older, StopReason.LOST)  # a newer grant of the same run: the older one is void
            attempt.task = self._loop.create_task(self._execute(attempt, assignment.task))
            self._attempts[assignment.grant.run.key] = attempt

    def _stop(self, keys: Sequence[RunKey], reason: StopReason) -> None:
        for key in keys:
            attempt = self._attempts.get(key)
            if attempt is not None and attempt.reason is None:
                self._interrupt(attempt, reason)

    def _interrupt(self, attempt: _Attempt, reason: StopReason) -> None:
        attempt.reason = reason
        attempt.context.request_stop()
        # A task that has not come to its handler yet sees the reason by itself; cancelled now, it would never report.
        if attempt.task is not None and attempt.is_cancellable:
            attempt.task.cancel()
        attempt.timers.append(self._loop.call_later(self._unstoppable_seconds, self._tell_unstoppable, attempt))

    def _tell_unstoppable(self, attempt: _Attempt) -> None:
        run = attempt.assignment.grant.run
        self._telemetry.say(
            Level.WARNING,
            f"agent {run.subscription.agent} does not stop task {run.task_id}, which was "
            f"{attempt.reason.name.lower().replace('_', ' ') if attempt.reason else 'stopped'}; it keeps its slot",
            task_id=run.task_id,
            agent=run.subscription.agent,
        )

    async def _execute(self, attempt: _Attempt, task: Task) -> None:
        grant = attempt.assignment.grant
        started = time.perf_counter()
        if attempt.assignment.agent.is_async:
            self._limit(attempt)
        try:
            outcome = await self._attempt(attempt, task)
        finally:
            for timer in attempt.timers:
                timer.cancel()
            if self._attempts.get(grant.run.key) is attempt:
                del self._attempts[grant.run.key]
        # A clock too coarse for a fast handler must not make its attempt look as if it had not run.
        seconds = max(time.perf_counter() - started, 1e-6)
        self._report(Report(grant, attrs.evolve(outcome, seconds=seconds)))

    def _limit(self, attempt: _Attempt) -> None:
        """Let the time-out count from now, since the handler starts now."""
        limit = attempt.assignment.limit_seconds
        if limit is not None and self._attempts.get(attempt.assignment.grant.run.key) is attempt:
            attempt.timers.append(self._loop.call_later(limit, self._time_out, attempt))

    def _time_out(self, attempt: _Attempt) -> None:
        if attempt.reason is None:
            self._interrupt(attempt, StopReason.TIMED_OUT)

    async def _attempt(self, attempt: _Attempt, task: Task) -> Outcome:
        agent = attempt.assignment.agent
        try:
            if attempt.reason is not None:
                raise asyncio.CancelledError  # stopped before it began  # noqa: TRY301 - the one place that judges
            payload = self._codec.decode_value(task.payload)
            value = await self._call(attempt, payload)
        except Retry as request:
            return Postponed(after_seconds=request.after_seconds)
        except Reject as rejection:
            return Failed(error=_error(rejection, ErrorKind.REJECTED, name="Rejected"), is_final=True)
        except asyncio.CancelledError as cancellation:
            return self._interrupted(attempt, cancellation)
        except (KeyboardInterrupt, GeneratorExit):
            raise  # the process or the loop ends
        except BaseException as error:  # noqa: BLE001 - people's code may raise anything
            if attempt.reason is not None:
                return self._interrupted(attempt, error)
            return Failed(error=_error(error, ErrorKind.ERROR), is_final=not agent.policy.is_retryable(error))
        return self._returned(value)

    async def _call(self, attempt: _Attempt, payload: object) -> Any:
        agent = attempt.assignment.agent
        arguments = (payload, attempt.context) if agent.wants_context else (payload,)
        if agent.is_async:
            attempt.is_cancellable = True
            return await agent.handler(*arguments)
        context = contextvars.copy_context()

        def call() -> Any:
            if attempt.reason is not None:
                raise asyncio.CancelledError  # stopped while it waited for a thread
            if attempt.assignment.limit_seconds is not None:
                self._loop.call_soon_threadsafe(self._limit, attempt)
            try:
                return context.run(agent.handler, *arguments)
            except StopIteration as error:  # a future cannot carry it: the attempt would never end
                raise RuntimeError("the agent raised StopIteration") from error

        value = await self._loop.run_in_executor(self._threads, call)
        if not asyncio.iscoroutine(value):
            return value
        # A plain function may hand back a coroutine, such as a lambda around an async method.
        if attempt.reason is not None:
            value.close()
            raise asyncio.CancelledError
        attempt.is_cancellable = True
        return await value

    def _interrupted(self, attempt: _Attempt, error: BaseException) -> Outcome:
        """What a stopped attempt came to; one that was cancelled from inside has failed like any other."""
        match attempt.reason:
            case StopReason.TIMED_OUT:
                limit = attempt.assignment.limit_seconds or 0.0
                timeout = AttemptError(
                    type="Timeout",
                    message=f"the attempt took longer than {limit:g} s",
                    kind=ErrorKind.TIMEOUT,
                    traceback=_traceback(error),
                )
                return Failed(error=timeout)
            case StopReason.REQUESTED:
                return Interrupted(is_requested=True)
            case StopReason.DRAINING | StopReason.LOST:
                return Interrupted(is_requested=False)
            case None:
                return Failed(error=_error(error, ErrorKind.ERROR))

    def _returned(self, value: object) -> Outcome:
        """The value as JSON text. What cannot be encoded is final: the call was paid for, another would fare no better."""
        try:
            encoded = self._codec.encode_result(value)
        except Exception as error:  # noqa: BLE001 - a property of people's own value may raise anything
            message = f"{error}; the value was {_short_repr(value)}"
        else:
            if len(encoded) <= self._result_max_bytes:
                return Returned(value=encoded)
            message = (
                f"the result has {len(encoded):,} bytes, the limit is {self._result_max_bytes:,} "
                f"(OMNIDAEMON_RESULT_MAX_BYTES); it began with {encoded[:200]!r}"
            )
        error_value = AttemptError(type="ResultNotEncodable", message=message, kind=ErrorKind.UNENCODABLE)
        return Failed(error=error_value, is_final=True)

    def _report(self, report: Report) -> None:
        if not self._reports:
            self._loop.call_soon(self._flush)
        self._reports.append(report)

    def _flush(self) -> None:
        reports, self._reports = self._reports, []
        self._on_reports(reports)


def _error(error: BaseException, kind: ErrorKind, name: str | None = None) -> AttemptError:
    return AttemptError(
        type=name or type(error).__name__, message=_short(error), kind=kind, traceback=_traceback(error)
    )


def _traceback(error: BaseException) -> str:
    """The traceback from the agent's own code on: how it came to be called is of no interest to its author."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _OWN_FILES:
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames, limit=-_TRACEBACK_LIMIT))
    except Exception:  # noqa: BLE001 - as below
        return f"{type(error).__name__}: its traceback cannot be printed"


def _short(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises still has to be told of
        return f"<{type(error).__name__} that cannot be printed>"


def _short_repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - as above
        text = f"<{type(value).__name__} that cannot be printed>"
    return text if len(text) <= _REPR_CHARACTERS else text[:_REPR_CHARACTERS] + "…"
