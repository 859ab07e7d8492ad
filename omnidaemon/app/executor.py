"""The agents' side: runs handlers on the caller's loop or in threads, and says what each attempt came to."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeGuard

from omnidaemon.app.agents import Agent
from omnidaemon.app.attempt import GOES_ON, Attempt
from omnidaemon.app.bridge import Assignment, Report, StopReason, Workforce
from omnidaemon.app.context import Context, PublishFrom
from omnidaemon.app.error_texts import attempt_error
from omnidaemon.app.outcomes import interrupted, returned
from omnidaemon.app.slots import Slots
from omnidaemon.app.teardown import is_of_the_process, is_torn_down
from omnidaemon.app.threads import HandlerThreads
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import ErrorKind, Failed, Interrupted, Outcome, Postponed, Reject, Retry
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.telemetry import Level, Telemetry

_UNSTOPPABLE_SECONDS = 5.0
_SPARE_THREADS = 32


class Executor(Workforce):
    """Belongs to the loop that made it, the agents'. assign() and stop() may be called from any thread, and do nothing
    once this loop is closed; reports go to `on_reports`, on this loop, all that were made in one turn of it together.

    Every attempt runs in a copy of the context that the executor was made in. `threads` is how many plain handlers the
    engine may have under way; one that is lost and does not return holds a thread beyond those, of `spare_threads`.
    """

    def __init__(
        self,
        *,
        codec: Codec,
        telemetry: Telemetry,
        publish: PublishFrom,
        result_max_bytes: int,
        threads: int,
        spare_threads: int = _SPARE_THREADS,
        unstoppable_seconds: float = _UNSTOPPABLE_SECONDS,
    ) -> None:
        self._codec = codec
        self._telemetry = telemetry
        self._publish = publish
        self._result_max_bytes = result_max_bytes
        self._threads = HandlerThreads(threads + spare_threads)
        self._unstoppable_seconds = unstoppable_seconds
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._attempts: dict[RunKey, list[Attempt]] = {}
        """Of each run the newest last: one whose lease was lost may go on beside its successor."""
        self._slots: dict[Subscription, Slots] = {}
        self._reports: list[Report] = []
        self._on_reports: Callable[[list[Report]], None] = lambda _: None

    def on_reports(self, take: Callable[[list[Report]], None]) -> None:
        """Where reports go."""
        self._on_reports = take

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Have these started on the agents' loop, behind those that wait."""
        for agent, alike in groupby(assignments, key=attrgetter("agent")):
            self._slots_of(agent).put(list(alike))
        with contextlib.suppress(RuntimeError):  # it is closed: the engine learns of it by its LagWatch, and leaves
            self._loop.call_soon_threadsafe(self._take_in, assignments)

    def waiting(self, subscription: Subscription) -> Sequence[Assignment]:
        """What this agent has no slot for yet. From any thread."""
        slots = self._slots.get(subscription)
        return () if slots is None else slots.waiting()

    def take_back(self, assignments: Sequence[Assignment]) -> Sequence[Assignment]:
        """Those of them that had no slot yet, and will not be started. From any thread."""
        return [each for one in assignments for each in self._slots_of(one.agent).take_back([one])]

    def stop(self, keys: Sequence[RunKey], reason: StopReason) -> None:
        """Have these stopped on the agents' loop."""
        with contextlib.suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(self._stop, keys, reason)

    def close(self) -> bool:
        """Take no more, and stop what still goes on; whether no thread is left that a handler blocks. From any
        thread."""
        with contextlib.suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(self._stop_all)
        self._threads.close()
        return not self._threads.busy

    def _slots_of(self, agent: Agent) -> Slots:
        slots = self._slots.get(agent.subscription)
        if slots is None:
            slots = self._slots[agent.subscription] = Slots(agent.profile.concurrency)
        return slots

    def culprit(self) -> str:
        """Who holds the loop up just now, as well as can be told from another thread."""
        task = asyncio.current_task(self._loop)
        under_way = [attempt for each in tuple(self._attempts.values()) for attempt in tuple(each)]
        running = {attempt.task: attempt.assignment for attempt in under_way}
        if task in running:
            return f"agent {running[task].agent.subscription} (task {running[task].grant.run.task_id})"
        names = sorted({str(assignment.agent.subscription) for assignment in running.values()})
        return f"one of the agents {', '.join(names)}" if names else "code outside of the agents"

    # --- on the agents' loop ------------------------------------------------------------------------------------------

    def _take_in(self, assignments: Sequence[Assignment]) -> None:
        """Start as many as there are slots for; a newer grant of a run makes the older one void."""
        for assignment in assignments:
            run = assignment.grant.run
            for attempt in tuple(self._attempts.get(run.key, ())):
                if attempt.assignment.grant.run.fence >= run.fence:
                    continue  # itself, or a newer one: both may have been begun with those before them
                self._free_slot(attempt)
                if attempt.reason is None and not assignment.agent.policy.finishes_lost_runs:
                    self._interrupt(attempt, StopReason.LOST)
        self._fill_slots()

    def _fill_slots(self) -> None:
        for slots in tuple(self._slots.values()):
            for assignment in slots.fill():
                context = None
                if assignment.agent.wants_context:
                    context = Context(assignment.grant, assignment.task, self._telemetry.logger, self._publish)
                attempt = Attempt(assignment, slots, assignment.grant.run.key, context)
                execution = self._execute(attempt, assignment.task)
                attempt.task = self._loop.create_task(execution, context=self._context.copy())
                self._attempts.setdefault(attempt.key, []).append(attempt)

    def _free_slot(self, attempt: Attempt) -> None:
        if attempt.has_slot:
            attempt.has_slot = False
            attempt.slots.free()

    def _stop(self, keys: Sequence[RunKey], reason: StopReason) -> None:
        for attempt in [attempt for key in keys for attempt in self._attempts.get(key, ())]:
            if reason is StopReason.LOST:
                self._free_slot(attempt)  # also of one that was stopped before, and does not return
            if attempt.reason is None:
                self._interrupt(attempt, reason)
        for slots in tuple(self._slots.values()):
            for assignment in slots.take_back([each for each in slots.waiting() if each.grant.run.key in keys]):
                self._report(Report(assignment.grant, Interrupted(is_requested=reason is StopReason.REQUESTED)))
        self._fill_slots()

    def _stop_all(self) -> None:
        waiting = [each.grant.run.key for slots in tuple(self._slots.values()) for each in slots.waiting()]
        self._stop((*self._attempts, *waiting), StopReason.DRAINING)

    def _interrupt(self, attempt: Attempt, reason: StopReason) -> None:
        attempt.reason = reason
        attempt.request_stop()
        # A task that has not come to its handler yet sees the reason by itself; cancelled now, it would never report.
        if attempt.task is not None and attempt.is_cancellable:
            attempt.task.cancel()
        attempt.timers += (self._loop.call_later(self._unstoppable_seconds, self._tell_unstoppable, attempt, reason),)

    def _tell_unstoppable(self, attempt: Attempt, reason: StopReason) -> None:
        run = attempt.assignment.grant.run
        self._telemetry.say(
            Level.WARNING,
            f"agent {run.subscription.agent} does not stop task {run.task_id}, which {GOES_ON[reason]}",
            task_id=run.task_id,
            agent=run.subscription.agent,
        )

    async def _execute(self, attempt: Attempt, task: Task) -> None:
        grant = attempt.assignment.grant
        started = time.perf_counter()
        if attempt.assignment.agent.is_async:
            self._limit(attempt)
        try:
            outcome = await self._attempt(attempt, task)
        except asyncio.CancelledError:
            # Not the engine's wish, and not the handler's doing: the loop is being torn down around it.
            attempt.request_stop()
            self._report(Report(grant, Interrupted(is_requested=False), _seconds_since(started)))
            raise
        finally:
            for timer in attempt.timers:
                timer.cancel()
            under_way = self._attempts[attempt.key]
            under_way.remove(attempt)
            if not under_way:
                del self._attempts[attempt.key]
            self._free_slot(attempt)
        report = Report(grant, outcome, _seconds_since(started))
        if self._attempts:
            self._report(report)
        else:  # nobody is left who might return in this turn too
            self._reports.append(report)
            self._flush()

    def _limit(self, attempt: Attempt) -> None:
        """Let the time-out count from now, since the handler starts now."""
        limit = attempt.assignment.limit_seconds
        if limit is not None and attempt in self._attempts.get(attempt.key, ()):
            attempt.timers += (self._loop.call_later(limit, self._time_out, attempt),)

    def _time_out(self, attempt: Attempt) -> None:
        if attempt.reason is None:
            self._interrupt(attempt, StopReason.TIMED_OUT)

    async def _attempt(self, attempt: Attempt, task: Task) -> Outcome:
        agent = attempt.assignment.agent
        try:
            if attempt.reason is not None:
                raise asyncio.CancelledError  # stopped before it began  # noqa: TRY301 - the one place that judges
            payload = self._codec.decode_value(task.payload)
            value = await self._call(attempt, payload)
        except Retry as request:
            return Postponed(after_seconds=request.after_seconds)
        except Reject as rejection:
            return Failed(error=attempt_error(rejection, ErrorKind.REJECTED, name="Rejected"), is_final=True)
        except asyncio.CancelledError as cancellation:
            if is_torn_down(attempt):
                raise
            return interrupted(attempt.reason, attempt.assignment.limit_seconds, cancellation)
        except BaseException as error:
            if is_of_the_process(self._loop, attempt, error):
                raise
            if is_torn_down(attempt):
                raise asyncio.CancelledError from error  # clients turn a cancellation into an error of their own
            if attempt.reason is not None:
                return interrupted(attempt.reason, attempt.assignment.limit_seconds, error)
            return Failed(error=attempt_error(error, ErrorKind.ERROR), is_final=not agent.policy.is_retryable(error))
        return returned(value, self._codec, self._result_max_bytes)

    async def _call(self, attempt: Attempt, payload: object) -> Any:
        agent = attempt.assignment.agent
        arguments = (payload,) if attempt.context is None else (payload, attempt.context)
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
            except (StopIteration, KeyboardInterrupt, GeneratorExit) as error:
                # A future cannot carry the first, and in a thread the others are nobody's but the agent's.
                raise RuntimeError(f"the agent raised {type(error).__name__}") from error

        value = await asyncio.wrap_future(self._in_thread(attempt, call))
        if not _is_coroutine(value):
            return value
        # A plain function may hand back a coroutine, such as a lambda around an async method.
        if attempt.reason is not None:
            value.close()
            raise asyncio.CancelledError
        attempt.is_cancellable = True
        return await value

    def _in_thread(self, attempt: Attempt, call: Callable[[], Any]) -> Future[Any]:
        try:
            return self._threads.submit(call)
        except RuntimeError as error:  # closed, or the system gives no threads: no fault of the agent's
            run = attempt.assignment.grant.run
            message = f"no thread for agent {run.subscription.agent}, task {run.task_id} is given back: {error}"
            self._telemetry.say(Level.WARNING, message, task_id=run.task_id, agent=run.subscription.agent)
            attempt.reason = attempt.reason or StopReason.DRAINING
            raise asyncio.CancelledError from None

    def _report(self, report: Report) -> None:
        if not self._reports:
            self._loop.call_soon(self._flush)
        self._reports.append(report)

    def _flush(self) -> None:
        reports, self._reports = self._reports, []
        if reports:
            self._on_reports(reports)
            self._fill_slots()


def _is_coroutine(value: object) -> TypeGuard[Coroutine[Any, Any, Any]]:
    """Unlike asyncio.iscoroutine(), which takes generators for such."""
    return isinstance(value, Coroutine)


def _seconds_since(started: float) -> float:
    """At least a little: a clock too coarse for a fast handler must not make its attempt look as if it had not run."""
    return max(time.perf_counter() - started, 1e-6)
