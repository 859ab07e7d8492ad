"""How fast an agent's slots are freed, and so how many runs to begin before they are."""

from __future__ import annotations

from typing import Final

_REFILL_SECONDS: Final = 0.02
"""How long it may take, with all the slots taken, to bring the runs that follow: to take their tasks from the bus, to
begin them in the store, and to change threads."""

_MOST: Final = 200


class Pace:
    """Of one agent, by this worker's steady clock. `ahead`: how many of its slots will be free by the time that the
    next runs are here. So a slot need not be empty meanwhile, and what is begun for it waits here no longer than that:
    an agent whose attempts take seconds gets nothing ahead, others may have slots for it now.

    The slower of the last two stretches of time counts: long attempts that return all at once are not fast.
    """

    def __init__(self) -> None:
        self.ahead = 0
        self._since = 0.0
        self._count = 0
        self._pace_before = 0.0

    def note(self, count: int, now: float) -> None:
        """So many attempts have returned."""
        self._count += count
        elapsed = now - self._since
        if elapsed >= _REFILL_SECONDS:
            pace = self._count * _REFILL_SECONDS / elapsed
            self.ahead = min(_MOST, int(min(pace, self._pace_before)))
            self._since, self._count, self._pace_before = now, 0, pace

    def forget(self) -> None:
        """It has slowed down."""
        self.ahead, self._pace_before = 0, 0.0
