"""The journal as it grows: one reader for everybody who follows it, each from where they are."""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Self, TypeVar

import attrs

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.domain.names import is_topic_like
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.journal import Journal
from omnidaemon.ports.run_store import RunStore, Wakeups
from omnidaemon.ports.telemetry import Level, Telemetry

T = TypeVar("T")

TAIL_EVENTS = 2000
"""So many of the latest events are kept for those who are up to date, or nearly so."""

PAGE_EVENTS = 500
BACKSTOP_SECONDS = 0.25
"""Publishing and starting are no news to a store: hardly anybody waits for them. It is what they cost here, too."""

_PACE_SECONDS = 0.05
"""A busy store has news all the time; the journal is read at most so often, unless there is more of it than a page."""

_AWAY_SECONDS = 1.0
_LINGER_SECONDS = 5.0
"""The reader stays for so long when nobody waits: followers are busy with an event now and then."""


@attrs.define(eq=False)
class _Wait:
    """One wait for news of a task, or of anything. `before`: the position that the reader had before the news, None
    while there is none. It is told beside the future: a wait may be cancelled in the very tick in which news comes."""

    task_id: str | None
    before: int | None = None
    future: asyncio.Future[None] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())


class JournalFeed:
    """Belongs to one loop. However many follow, the journal is polled once, by a reader that is there while anybody
    waits. Memory is bounded: the reader keeps a short tail of the journal for all, and who has fallen behind it reads
    the journal in pages of their own."""

    def __init__(self, *, journal: Journal, runs: RunStore, clock: Clock, telemetry: Telemetry) -> None:
        self._journal = journal
        self._runs = runs
        self._clock = clock
        self._telemetry = telemetry
        self._tail: list[JournalEvent] = []
        self._start = self._head = 0
        self._waiting: dict[str | None, set[_Wait]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._wanted_at = 0.0
        self._is_away = False
        self._closing = asyncio.Event()
        self._beginnings = 0

    def follow(
        self, after: int | None = None, task_id: str | None = None, topic: str | None = None
    ) -> AsyncIterator[JournalEvent]:
        """Each event with a position above `after` (None: from the first wait on) once and in order, without an end.

        `task_id`: of this task only. `topic`: of the topics that match this pattern with the wildcards of a shell, such
        as `document.*`. While the store is away nothing comes; it goes on when the store is back. A position that the
        journal never gave, since it is another or has lost its data, means from its beginning. Ends when the feed is
        closed. Raises what a person has to mend.

        One wait at a time. A wait that is cancelled loses nothing, and nothing has to be closed.
        """
        return _Following(self, after, task_id, topic)

    async def latest(self) -> int:
        """The journal's newest position, to follow from; `BackendUnavailable` when the store is away."""
        return await self._journal.latest()

    async def close(self) -> None:
        """End every following. Idempotent."""
        self._closing.set()
        reader = self._reader
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        self._wake(self._waiting)

    # --- what followings ask for --------------------------------------------------------------------------------------

    @property
    def beginnings(self) -> int:
        """How often the journal was found to have lost its data: positions from before mean nothing since."""
        return self._beginnings

    @property
    def head(self) -> int:
        """The position up to which the reader has read; 0 while there is none."""
        return self._head

    async def settled(self) -> int:
        """A position near the journal's end, up to which all events are visible."""
        return self._head if self._reader is not None else await self.patiently(self._journal.latest)

    def tail_from(self, position: int) -> Sequence[JournalEvent] | None:
        """All that the reader has read above this position, None when it keeps only a part of that."""
        if self._reader is None or position < self._start:
            return None
        return self._tail[bisect.bisect_right(self._tail, position, key=_position) :]

    async def page(self, position: int, task_id: str | None) -> Sequence[JournalEvent]:
        """The next events above a position, from the journal itself."""
        return await self.patiently(lambda: self._journal.read(position, task_id, PAGE_EVENTS))

    def read_on_from(self, position: int) -> None:
        """Have the reader begin here, near the journal's end, unless it is under way."""
        if self._reader is None and not self._closing.is_set():
            self._tail, self._start, self._head = [], position, position
            self._wanted_at = self._clock.now().steady
            self._reader = asyncio.create_task(self._read(self._runs.news()), name="omnidaemon-journal-feed")

    async def news(self, wait: _Wait) -> None:
        """Return once the reader has read something that the wait is for."""
        waiting = self._waiting.setdefault(wait.task_id, set())
        waiting.add(wait)
        try:
            await wait.future
        finally:
            waiting.discard(wait)
            if not waiting and self._waiting.get(wait.task_id) is waiting:
                del self._waiting[wait.task_id]

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The store's answer, also when it is away for a while."""
        while True:
            if self._closing.is_set():
                raise StopAsyncIteration
            try:
                answer = await ask()
            except OmniDaemonError as error:
                if not error.is_transient:
                    raise
                if not self._is_away:
                    self._telemetry.say(Level.WARNING, f"the journal cannot be followed for now: {error}")
                self._is_away = True
            else:
                self._is_away = False
                return answer
            await self._clock.wait(self._closing, _AWAY_SECONDS)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _read(self, news: Wakeups) -> None:
        checked_at = self._clock.now().steady
        error: BaseException | None = None
        try:
            while self._is_wanted():
                page = await self.patiently(lambda: self._journal.read(self._head, None, PAGE_EVENTS))
                now = self._clock.now().steady
                if page:
                    self._add(page)
                    checked_at = now
                elif now - checked_at >= BACKSTOP_SECONDS:
                    checked_at = now
                    if await self.patiently(self._journal.latest) < self._head:
                        self._begin_anew()
                if len(page) < PAGE_EVENTS:
                    await self._clock.wait(self._closing, _PACE_SECONDS)
                    await news.wait(BACKSTOP_SECONDS)
        except Exception as failure:  # noqa: BLE001 - those who wait shall meet it, not nobody
            error = failure
        finally:
            self._reader, self._tail, self._start, self._head = None, [], 0, 0
            news.close()
            self._wake(self._waiting, error)

    def _is_wanted(self) -> bool:
        now = self._clock.now().steady
        if self._waiting:
            self._wanted_at = now
        return now - self._wanted_at < _LINGER_SECONDS

    def _add(self, page: Sequence[JournalEvent]) -> None:
        before, self._head = self._head, page[-1].position
        self._tail.extend(page)
        surplus = len(self._tail) - TAIL_EVENTS
        if surplus > 0:
            self._start = self._tail[surplus - 1].position
            del self._tail[:surplus]
        self._wake({None, *(event.task_id for event in page)}, position=before)

    def _begin_anew(self) -> None:
        """The journal has lost its data; what it holds now is new to everybody."""
        self._beginnings += 1
        self._tail, self._start, self._head = [], 0, 0
        self._wake(self._waiting)

    def _wake(self, keys: Iterable[str | None], error: BaseException | None = None, position: int = 0) -> None:
        for key in tuple(keys):
            for wait in self._waiting.pop(key, ()):
                wait.before = position
                if not wait.future.done():
                    if error is None:
                        wait.future.set_result(None)
                    else:
                        wait.future.set_exception(error)


class _Following(AsyncIterator[JournalEvent]):
    """One follower: where they are, and the events that they have taken from the feed and not had yet."""

    def __init__(self, feed: JournalFeed, after: int | None, task_id: str | None, topic: str | None) -> None:
        self._feed = feed
        self._position = after
        self._task_id = task_id
        self._topic = topic
        self._beginnings: int | None = None
        self._taken: deque[JournalEvent] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JournalEvent:
        while not self._taken:
            await self._take_more()
        return self._taken.popleft()

    async def _take_more(self) -> None:
        feed = self._feed
        position = await self._begun_at()
        tail = feed.tail_from(position)
        if tail is None:
            await self._take_page(position)
        elif tail:
            self._take(tail, feed.head)
        else:
            await self._wait(position)

    async def _begun_at(self) -> int:
        """The position from which to go on in the journal as it is now."""
        feed = self._feed
        if self._position is None or self._beginnings is None:
            latest = await feed.patiently(feed.latest)
            if self._position is None:
                self._position = latest
            elif self._position > latest:
                self._position = 0
        elif self._beginnings != feed.beginnings:
            self._position = 0
        self._beginnings = feed.beginnings
        return self._position

    async def _take_page(self, position: int) -> None:
        feed = self._feed
        settled, beginnings = await feed.settled(), feed.beginnings
        page = await feed.page(position, self._task_id)
        if feed.beginnings != beginnings:
            return
        reached = page[-1].position if page else position
        is_all = len(page) < PAGE_EVENTS
        if is_all:  # what was visible before this page was asked for is in it, or not of the task
            reached = max(reached, settled)
            feed.read_on_from(reached)
        self._take(page, reached)

    async def _wait(self, position: int) -> None:
        feed = self._feed
        wait = _Wait(self._task_id)
        try:
            await feed.news(wait)
        finally:  # also of one that is cancelled: without news there was nothing so far
            self._position = max(position, feed.head if wait.before is None else wait.before)

    def _take(self, events: Iterable[JournalEvent], position: int) -> None:
        self._taken.extend(event for event in events if self._is_wanted(event))
        self._position = position

    def _is_wanted(self, event: JournalEvent) -> bool:
        return self._task_id in (None, event.task_id) and (
            self._topic is None or is_topic_like(event.topic, self._topic)
        )


def _position(event: JournalEvent) -> int:
    return event.position
