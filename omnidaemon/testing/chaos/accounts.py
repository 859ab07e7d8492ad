"""What publishers, handlers and receivers have written down so far in a scenario's folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from omnidaemon.testing.chaos import agents
from omnidaemon.testing.chaos.crew import Member
from omnidaemon.testing.chaos.records import (
    Begun,
    Execution,
    Heard,
    Publication,
    executions,
    heard,
    lines,
    noted,
    publications,
)


class Accounts:
    """Reads the logs; each call as they are then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun = Begun(folder / agents.HANDLERS_LOG)

    def executions(self) -> list[Execution]:
        """What handlers have done so far."""
        return executions(self.folder / agents.HANDLERS_LOG)

    def noted(self, word: str) -> list[tuple[str, float]]:
        """The task and time of each such line of the handlers."""
        return noted(self.folder / agents.HANDLERS_LOG, word)

    def begun(self) -> int:
        """How many executions there were so far; cheap."""
        return self._begun.total()

    def begun_by(self, member: Member) -> int:
        """How many there were of this worker; cheap."""
        return self._begun.by_process().get(member.pid, 0)

    def heard(self) -> list[Heard]:
        """What receivers of webhooks and replies were told so far."""
        return heard(self.folder / agents.HANDLERS_LOG)

    def has_begun(self, items: Collection[str], since: float = 0.0) -> bool:
        """Whether each of these was begun after that time."""
        return set(items) <= {each.item for each in self.executions() if each.began_at > since}

    def under_way(self, member: Member) -> set[str]:
        """The items that this worker has begun and not ended, and nobody after it."""
        last = {each.item: each for each in self.executions()}
        return {item for item, each in last.items() if each.pid == member.pid and each.ended_at is None}

    def publications(self) -> dict[str, Publication]:
        """What publishers were told so far, by item."""
        return publications(self.folder / agents.PUBLISHERS_LOG)

    def has_sent(self, pid: int) -> bool:
        """Whether this publisher has begun to publish."""
        return any(row[-2] == pid for row in lines(self.folder / agents.PUBLISHERS_LOG))
