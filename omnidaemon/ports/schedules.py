"""Delayed tasks: kept in the store, published when they come due."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import attrs

from omnidaemon.domain.task import Task


@attrs.frozen(kw_only=True)
class Taken:
    """Delayed tasks that are due and held for the caller, and when the next comes due (None when none will)."""

    tasks: tuple[Task, ...] = ()
    next_due_seconds: float | None = None


class Schedules(ABC):
    """Tasks with a due time. One that is published twice is begun once, so a holder that dies costs nothing."""

    @abstractmethod
    async def put(self, tasks: Sequence[Task]) -> None:
        """Keep each task until its `due_at`, and log it as `TaskLog.add` does, in one transaction. One that is
        kept already stays as it is."""

    @abstractmethod
    async def take(self, limit: int, hold_seconds: float) -> Taken:
        """Hold up to `limit` due tasks for the caller, longest due first. Held ones are not given to anybody else until
        they are dropped or `hold_seconds` have passed. A cancelled task is not given."""

    @abstractmethod
    async def drop(self, task_ids: Sequence[str]) -> None:
        """Forget tasks that were taken and published. Idempotent."""
