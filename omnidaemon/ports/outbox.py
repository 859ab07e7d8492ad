"""The outbox: what has to be told of ended runs, until it is told. The gates write it in their own transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import attrs

from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, OutboxStatus, Settlement

LARGEST_PAGE_BYTES = 2**20
"""How much of results a page may hold; but one entry at least."""


@attrs.frozen(kw_only=True)
class TakenEntries:
    """Entries that are due and held for the caller, and when the next comes due (None when none will)."""

    entries: tuple[OutboxEntry, ...] = ()
    next_due_seconds: float | None = None


@attrs.frozen(kw_only=True)
class OutboxFilter:
    """Which entries: all that are None match everything. `topic` and `task_id` are those of the ended run."""

    status: OutboxStatus | None = None
    kind: NotificationKind | None = None
    topic: str | None = None
    task_id: str | None = None

    def matches(self, entry: OutboxEntry) -> bool:
        """Whether a person who asks for these finds the entry."""
        told = entry.notification
        return (
            self.status in (None, entry.status)
            and self.kind in (None, told.kind)
            and self.topic in (None, told.topic)
            and self.task_id in (None, told.task_id)
        )


@attrs.frozen(kw_only=True)
class OutboxPage:
    """Some entries, newest first, and the cursor for those that follow, None at the end."""

    entries: tuple[OutboxEntry, ...]
    cursor: str | None = None

    @classmethod
    def of(cls, found: Iterable[OutboxEntry], limit: int) -> OutboxPage:
        """A page of the first of these: up to `limit`, and fewer when they are large. No more of them is looked at than
        one that follows."""
        entries: list[OutboxEntry] = []
        size_bytes = 0
        for entry in found:
            size_bytes += result_bytes(entry)
            if entries and (len(entries) >= limit or size_bytes > LARGEST_PAGE_BYTES):
                return cls(entries=tuple(entries), cursor=str(entries[-1].position))
            entries.append(entry)
        return cls(entries=tuple(entries))


def result_bytes(entry: OutboxEntry) -> int:
    """How large the result is that an entry holds: all else is bounded."""
    return len(entry.notification.run.result or b"")


class Outbox(ABC):
    """Notifications of ended runs. Each is there from the moment its run has ended, whoever ended it; it may be sent
    more than once, under one id, and is never dropped unsent.

    A settled one goes with `RunCommands.prune`, once it has been settled for as long as results are kept, or with its
    task, when that is deleted. One that is pending outlives both.
    """

    @abstractmethod
    async def take(self, limits: Mapping[NotificationKind, int], hold_seconds: float) -> TakenEntries:
        """Hold up to so many due entries of each kind for the caller, longest due first. Held ones are not given to
        anybody else until they are settled or `hold_seconds` have passed. `next_due_seconds` is of the kinds that were
        asked for with a limit above 0."""

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Record what became of entries that were taken; one answer per settlement, in order: whether it was recorded,
        or somebody else has taken the entry since, or it is gone. Decided by `OutboxEntry.settled`."""

    @abstractmethod
    async def find(self, wanted: OutboxFilter, cursor: str | None = None, limit: int = 100) -> OutboxPage:
        """Entries that match, newest first; a page holds fewer than `limit` once their results have more than
        `LARGEST_PAGE_BYTES`. Following the cursors gives each once, also while more come in.

        Raises `InvalidValue` for a cursor that this outbox did not make.
        """

    @abstractmethod
    async def redeliver(self, notification_ids: Sequence[str]) -> Sequence[str]:
        """Make these due at once, settled or not, with all attempts before them; those that are known."""
