"""What people and programs order: cancel, requeue, answer, delete; and what retention removes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta

from omnidaemon.domain.changes import Changes
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.record import TaskRecord

Decision = Callable[[TaskRecord, Instant], Changes]
"""What follows from a task as it stands at this time."""


class RunCommands(ABC):
    """Commands on one task, or on one agent's run of it. Decided by `domain.record`.

    Each raises `TaskNotFound` when there is no such task or agent, `WrongState` when the command does not apply;
    nothing is changed then.
    """

    @abstractmethod
    async def cancel(self, task_id: str, agent: str | None = None) -> None:
        """End what has not begun, at once and for good; flag what runs, for its worker to stop it."""

    @abstractmethod
    async def requeue(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Begin a new life: for the agent named whatever its end was, else for all whose run did not succeed.

        `only_dead`: only for what is a dead letter still, so that what somebody has requeued meanwhile, and has ended
        otherwise since, is not run once more (`WrongState`).
        """

    @abstractmethod
    async def answer(self, task_id: str, agent: str, question: str, answer: bytes) -> None:
        """Answer a question of a run, asked already or not; `answer` is JSON text. The first answer counts."""

    @abstractmethod
    async def delete(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """Forget the task with all its runs, or one agent's ended run. A late delivery of it is dropped.

        `only_dead`: only while it is a dead letter, so that what somebody has requeued meanwhile stays (`WrongState`).

        What the outbox has settled of the task goes with it; what is still to be told of its ends is told.
        """

    @abstractmethod
    async def prune(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        """Remove up to `limit` tasks of which everything ended longer ago than that; how many were removed.

        `keep_dead` None keeps dead letters until somebody purges them. What has not ended is never removed. A run whose
        ack is not known leaves a tombstone for seven days. Journal entries go with the same age, and what the outbox
        settled that long ago.
        """


class RecordCommands(RunCommands):
    """The commands of a store that can read a task, decide, and write what was decided: it says only how."""

    @abstractmethod
    async def _apply(self, task_id: str, decide: Decision) -> None:
        """Write what is decided upon the task as it stands, in one transaction; `TaskNotFound` when there is none.
        Whatever the decision raises is raised, and nothing is changed then. It may be called again, with the task as
        others have changed it meanwhile."""

    async def cancel(self, task_id: str, agent: str | None = None) -> None:
        """What `TaskRecord.cancel` decides."""
        await self._apply(task_id, lambda record, now: record.cancel(agent, now))

    async def requeue(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """What `TaskRecord.requeue` decides."""
        await self._apply(task_id, lambda record, now: record.requeue(agent, now, only_dead=only_dead))

    async def answer(self, task_id: str, agent: str, question: str, answer: bytes) -> None:
        """What `TaskRecord.answer` decides."""
        await self._apply(task_id, lambda record, now: record.answer(agent, question, answer, now))

    async def delete(self, task_id: str, agent: str | None = None, *, only_dead: bool = False) -> None:
        """What `TaskRecord.delete` decides."""
        await self._apply(task_id, lambda record, now: record.delete(agent, now, only_dead=only_dead))
