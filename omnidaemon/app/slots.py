"""An agent's slots on the agents' side: what waits for one, and how many are taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from omnidaemon.app.bridge import Assignment


class Slots:
    """Of one agent. The agents' loop takes what has waited longest, while the engine's thread puts more behind it or
    takes some back: each of these is one step of the interpreter, so that nothing is both begun and taken back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[Assignment] = deque()

    # --- on the engine's thread ---------------------------------------------------------------------------------------

    def put(self, assignments: Iterable[Assignment]) -> None:
        """Have these wait for slots."""
        self._waiting.extend(assignments)

    def waiting(self) -> tuple[Assignment, ...]:
        """What waits, in order."""
        return tuple(self._waiting)

    def take_back(self, assignments: Iterable[Assignment]) -> list[Assignment]:
        """Those of them that still waited; they wait no more."""
        taken: list[Assignment] = []
        for assignment in assignments:
            try:
                self._waiting.remove(assignment)
            except ValueError:  # it has been begun
                continue
            taken.append(assignment)
        return taken

    # --- on the agents' loop ------------------------------------------------------------------------------------------

    def fill(self) -> list[Assignment]:
        """Those that waited longest, as many as there were free slots, which they have from now on."""
        chosen: list[Assignment] = []
        while self._waiting and self._taken < self._most:
            try:
                chosen.append(self._waiting.popleft())
            except IndexError:  # it was the last, and was taken back just now
                break
            self._taken += 1
        return chosen

    def free(self) -> None:
        """One of the slots that were taken is free."""
        self._taken -= 1
