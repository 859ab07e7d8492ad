"""What a person gets to see of a task: its status, its value or its error, over one agent or several."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import STATUSES, RunState, Status
from omnidaemon.domain.values import Value


class TaskResult(Value, gc=True):
    """The state of a task, ended or not. `result` is the decoded value of a task that succeeded, else None.
    `next_attempt_at` is when what is scheduled or retrying may be begun, else None.

    `runs` holds one entry per agent of the topic; with a single agent its values stand here too. With several, the
    whole has ended when each has, `result` maps agent names to values, and `error` is the first one found.
    """

    task_id: str
    topic: str
    agent: str | None
    status: Status
    created_at: datetime
    result: object = None
    error: AttemptError | None = None
    attempts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_seconds: float | None = None
    next_attempt_at: datetime | None = None
    runs: tuple[TaskResult, ...] = ()

    @property
    def is_end(self) -> bool:
        """Whether it will not change by itself any more."""
        return self.status.is_end

    def __str__(self) -> str:
        """A headline, then the value or the error, as a person wants to read it."""
        return "\n".join([self._headline(), *self._body()])

    def _headline(self) -> str:
        facts = [f"agent {self.agent}"] if self.agent else [f"{len(self.runs)} agents"] if self.runs else []
        if self.attempts:
            facts.append(f"{self.attempts} attempt{'s' if self.attempts != 1 else ''}")
        if self.duration_seconds is not None:
            facts.append(duration_text(self.duration_seconds))
        tail = f" ({', '.join(facts)})" if facts else ""
        return f"task {self.task_id} on {self.topic}: {self.status}{tail}"

    def _body(self) -> list[str]:
        if len(self.runs) > 1:
            return ["  " + line for run in self.runs for line in str(run).split("\n")]
        if self.error is not None:
            return [self.error.headline]
        return [repr(self.result)] if self.status is Status.SUCCEEDED else []

    @classmethod
    def of(cls, standing: TaskStanding, agent: str | None, decode: Callable[[bytes], object]) -> TaskResult:
        """The result of a task, or of one agent's run of it; `decode` turns JSON text into a value.

        Raises `TaskNotFound` when an agent is named that has nothing to do with the task.
        """
        if agent is None and (only_run := standing.only_run):
            facts = _facts_of(only_run, standing.created_at, decode)
            return cls(*facts, (cls(*facts),))
        everyone = [cls.of_run(run, standing.created_at, decode) for run in standing.runs]
        status = Status.SCHEDULED if standing.is_scheduled else Status.QUEUED
        everyone += [cls._unbegun(standing, name, status) for name in standing.pending_agents]
        everyone.sort(key=lambda run: run.agent or "")
        if agent is not None:
            for run in everyone:
                if run.agent == agent:
                    return run
            raise TaskNotFound(standing.task_id, agent)
        if len(everyone) == 1:
            (unbegun,) = everyone
            return cls._unbegun(standing, unbegun.agent, standing.status, (unbegun,))
        return cls._whole(standing, tuple(everyone))

    @classmethod
    def of_run(cls, run: RunStanding, created_at: datetime, decode: Callable[[bytes], object]) -> TaskResult:
        """The result of one agent's run of a task that was created then."""
        return cls(*_facts_of(run, created_at, decode))

    @classmethod
    def _whole(cls, standing: TaskStanding, runs: tuple[TaskResult, ...]) -> TaskResult:
        started = [run.started_at for run in runs if run.started_at]
        finished = [run.finished_at for run in runs if run.finished_at]
        due = [run.next_attempt_at for run in runs if run.next_attempt_at]
        has_ended = standing.status.is_end and bool(runs)
        return cls(
            task_id=standing.task_id,
            topic=standing.topic,
            agent=None,
            status=standing.status,
            result={run.agent: run.result for run in runs} if has_ended else None,
            error=next((run.error for run in runs if run.error), None),
            attempts=sum(run.attempts for run in runs),
            created_at=standing.created_at,
            started_at=min(started, default=None),
            finished_at=max(finished, default=None) if has_ended else None,
            duration_seconds=sum(run.duration_seconds or 0.0 for run in runs) if has_ended else None,
            next_attempt_at=min(due, default=standing.scheduled_for),
            runs=runs,
        )

    @classmethod
    def _unbegun(
        cls, standing: TaskStanding, agent: str | None, status: Status, runs: tuple[TaskResult, ...] = ()
    ) -> TaskResult:
        return cls(
            standing.task_id,
            standing.topic,
            agent,
            status,
            standing.created_at,
            next_attempt_at=standing.scheduled_for,
            runs=runs,
        )


def _facts_of(run: RunStanding, created_at: datetime, decode: Callable[[bytes], object]) -> _Facts:
    """What a run's result consists of, in the order of its fields. Nearly every task has one run, and then it is told
    of the task too: a listing makes both by the thousand, by place in a fifth of the time that names take."""
    state, result, started_at = run.state, run.result, run.started_at
    topic, agent = run.subscription
    return (
        run.task_id,
        topic,
        agent,
        STATUSES[state],
        created_at,
        None if result is None else decode(result),
        run.errors[-1] if state is not _SUCCEEDED and run.errors else None,
        run.attempts + run.crashes + (state is _RUNNING),
        started_at,
        run.finished_at,
        run.seconds if started_at and state.is_end else None,
        run.due_at if state is _RETRYING else None,
    )


_SUCCEEDED, _RUNNING, _RETRYING = RunState.SUCCEEDED, RunState.RUNNING, RunState.RETRYING
"""An enumeration looks its members up by a function of Python."""

_Facts = tuple[
    str,
    str,
    str,
    Status,
    datetime,
    object,
    AttemptError | None,
    int,
    datetime | None,
    datetime | None,
    float | None,
    datetime | None,
]
