"""The journal: what happened, in order. The gates write it in their own transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from omnidaemon.domain.journal import JournalEvent


class Journal(ABC):
    """An ordered log. An event becomes visible no earlier than the change that it tells of.

    Positions grow, and they become visible in order: once somebody has read an event, none with a lower position
    appears any more. So whoever reads on from the last position that they have seen passes over nothing, however many
    write at once. Positions are given once, also when retention has removed the events that had them.
    """

    @abstractmethod
    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Add events that no gate wrote."""

    @abstractmethod
    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        """Events with a position above `after`, oldest first; of one task only, when it is named."""

    @abstractmethod
    async def latest(self) -> int:
        """The position of the newest event, whether it is still kept or not; 0 before the first one.

        To read on from here gives what is written after this call, and nothing older. A position above it was never
        given by this journal: it is another's, or this one has lost its data since.
        """
