"""The journal: what happened, in order. The gates write it in their own transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from omnidaemon.domain.journal import JournalEvent


class Journal(ABC):
    """An ordered log. Positions grow; an event becomes visible no earlier than the change that it tells of."""

    @abstractmethod
    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Add events that no gate wrote."""

    @abstractmethod
    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        """Events with a position above `after`, oldest first; of one task only, when it is named."""
