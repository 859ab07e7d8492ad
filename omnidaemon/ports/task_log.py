"""The task log: what was published, and which agents have to answer for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import attrs

from omnidaemon.domain.task import Task


@attrs.frozen(kw_only=True)
class Reservation:
    """Who an idempotency key belongs to: the stored task, and whether the bus is known to have confirmed it."""

    task: Task
    is_confirmed: bool


class TaskLog(ABC):
    """What publishers write."""

    @abstractmethod
    async def add(self, tasks: Sequence[Task]) -> None:
        """Log these tasks where absent, each with the agents that are subscribed to its topic now.

        A task that begin() met first, because it was faster or this call had failed, gets its agents now.
        """

    @abstractmethod
    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        """Take the idempotency key of each task for it, unless it is taken: then the answer holds the stored task.

        A key belongs to a topic and lives as long as its task. Logs the task, as `add` does, in the same transaction.
        """

    @abstractmethod
    async def confirm(self, task_ids: Sequence[str]) -> None:
        """Note that the bus has confirmed these reserved tasks. Idempotent."""

    @abstractmethod
    async def unconfirmed(self, older_than_seconds: float, limit: int) -> Sequence[Task]:
        """Reserved tasks that nobody confirmed for so long: their publisher died; whoever asks shall publish them."""
