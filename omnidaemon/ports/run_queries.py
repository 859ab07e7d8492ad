"""What people and programs ask: tasks by id or filter, counts, metrics. Never changes anything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import attrs

from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import Status


@attrs.frozen(kw_only=True)
class TaskFilter:
    """Which tasks: all that are None match everything. `status` matches a task that has a run in this state;
    `QUEUED` also one that an agent has still to begin, `SCHEDULED` one that is not yet due. `agent` looks at that
    agent's part alone. Decided by `TaskStanding.matches`."""

    status: Status | None = None
    topic: str | None = None
    agent: str | None = None


@attrs.frozen(kw_only=True)
class Page:
    """Some tasks, newest first, and the cursor for those that follow, None at the end. A whole record is a standing
    too, for a storage that has it at hand."""

    standings: tuple[TaskStanding, ...]
    cursor: str | None = None

    @classmethod
    def of(cls, found: Sequence[tuple[int, TaskStanding]], limit: int) -> Page:
        """A page of up to `limit` of the tasks found, each with its position: growing numbers, given once."""
        has_more = len(found) > limit
        return cls(
            standings=tuple(standing for _, standing in found[:limit]),
            cursor=str(found[limit - 1][0]) if has_more else None,
        )


def position_before(cursor: str | None) -> int | None:
    """The position below which a page begins; None for the first. `InvalidValue` for what `Page.of` did not make."""
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > _LONGEST_POSITION:
        raise InvalidValue("cursor", cursor, "a cursor from an earlier page")
    return int(cursor)


_LONGEST_POSITION = 18
"""In digits: what every database can count to."""


class RunQueries(ABC):
    """Reads of a consistent state. An answer may be as old as the call."""

    @abstractmethod
    async def records(self, task_ids: Sequence[str]) -> Mapping[str, TaskRecord]:
        """The records of those tasks that are known."""

    @abstractmethod
    async def ended(self, task_ids: Sequence[str]) -> Sequence[str]:
        """Those of the tasks that have at least one ended run, or are not known: worth a closer look."""

    @abstractmethod
    async def find(self, wanted: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page:
        """How the tasks stand that match, newest first. Following the cursors gives each task once, also while
        more come in.

        Raises `InvalidValue` for a cursor that this storage did not make.
        """

    @abstractmethod
    async def counts(self) -> Mapping[tuple[Subscription, Status], int]:
        """How many runs each agent has in each state; those at zero are left out."""

    @abstractmethod
    async def metrics(self) -> Mapping[Subscription, Metrics]:
        """What each agent has done since the store was made."""
