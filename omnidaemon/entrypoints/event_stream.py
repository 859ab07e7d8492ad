"""Events as a program takes them, wherever they come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

from omnidaemon.bootstrap.runtime import Runtime
from omnidaemon.domain.errors import TaskNotFound
from omnidaemon.domain.journal import JournalEvent


class EventStream(AsyncIterator[JournalEvent]):
    """Events of the journal, each once and in order. One wait at a time; a wait that is cancelled loses nothing."""

    @property
    @abstractmethod
    def position(self) -> int | None:
        """Where somebody goes on who has had the events that were given so far; None before it is open."""

    @abstractmethod
    async def open(self) -> None:
        """Listen from now on, which the first wait does otherwise. Raises what keeps it from doing so. Idempotent."""

    @abstractmethod
    async def aclose(self) -> None:
        """Listen no more. Idempotent."""


class FeedStream(EventStream):
    """Events from the feed of the running loop's runtime."""

    def __init__(
        self, runtime: Callable[[], Awaitable[Runtime]], after: int | None, task_id: str | None, topic: str | None
    ) -> None:
        self._runtime = runtime
        self._position = after
        self._task_id = task_id
        self._topic = topic
        self._events: AsyncIterator[JournalEvent] | None = None

    @property
    def position(self) -> int | None:
        """That of the last event, or where it began."""
        return self._position

    async def open(self) -> None:
        """Begin to follow at the newest position, unless another was given."""
        await self._following()

    async def aclose(self) -> None:
        """Following leaves nothing behind."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JournalEvent:
        event = await anext(await self._following())
        self._position = event.position
        return event

    async def _following(self) -> AsyncIterator[JournalEvent]:
        if self._events is None:
            runtime = await self._runtime()
            feed = runtime.feed
            if self._task_id is not None and not await runtime.queries.is_heard_of(self._task_id, self._position):
                raise TaskNotFound(self._task_id)
            if self._position is None:
                self._position = await feed.latest()
            self._events = feed.follow(self._position, self._task_id, self._topic)
        return self._events
