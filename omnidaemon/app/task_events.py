"""A task's events as they happen, until it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from omnidaemon.app.feed import JournalFeed
from omnidaemon.app.queries import Queries
from omnidaemon.domain.journal import JournalEvent


class TaskEvents(AsyncIterator[JournalEvent]):
    """Each event of the task above position `after`, once and in order; it stops after the last one of a task that has
    ended, or is not known any more. One wait at a time; a wait that is cancelled loses nothing."""

    def __init__(self, feed: JournalFeed, queries: Queries, task_id: str, after: int = 0) -> None:
        self._events = feed.follow(after, task_id)
        self._queries = queries
        self._task_id = task_id
        self._told = after
        self._is_to_be_asked = True

    def look_again(self) -> None:
        """Ask at the next wait whether the task has ended: it may have without an event, as when an agent was removed
        that it waited for."""
        self._is_to_be_asked = True

    async def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        last = await self._queries.last_event(self._task_id)
        return last is not None and last <= self._told

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JournalEvent:
        if self._is_to_be_asked:
            if await self.is_over():
                raise StopAsyncIteration
            self._is_to_be_asked = False
        event = await anext(self._events)
        self._told = event.position
        self._is_to_be_asked = event.kind.is_end
        return event
