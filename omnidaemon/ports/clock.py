"""Time and identity: what a test wants to hold in its hand."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from omnidaemon.domain.instant import Instant


class Clock(ABC):
    """This machine's clock. Callable from any thread."""

    @property
    @abstractmethod
    def boot_id(self) -> str:
        """Names the current boot: readings of the steady clock compare within one boot only."""

    @abstractmethod
    def now(self) -> Instant:
        """Wall time and steady time, read together."""

    @abstractmethod
    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait until the event is set (True), at most `seconds` of this clock (False). Does not clear it."""


class IdSource(ABC):
    """Where ids come from."""

    @abstractmethod
    def new_id(self) -> str:
        """An id that nobody else has, sorting after those made before it on this machine."""

    def new_ids(self, count: int) -> list[str]:
        """As many ids, in order."""
        return [self.new_id() for _ in range(count)]
