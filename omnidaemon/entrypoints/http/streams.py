"""Events as Server-Sent Events: kept alive, bounded in number, and ended with the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import orjson
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from omnidaemon.domain.journal import JournalEvent
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.http.capacity import most_kept
from omnidaemon.entrypoints.http.request_errors import TooBusy

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_SECONDS = 15.0
STALL_SECONDS = 60.0
HANG_UP = "omnidaemon_hang_up"
"""Under this name the state of a request's scope may have a function that ends its connection at once."""

_MOST_STREAMS = 1000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx, which would collect them


class Streams:
    """The open streams of one server. A reader that is slow is waited for: what it has not taken stays in the journal,
    and its place is all that it takes up here. One that has taken nothing for `stall_seconds` loses its place and its
    connection; it may come back with the id of the last event."""

    def __init__(
        self,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        most: int | None = None,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._keep_alive_seconds = keep_alive_seconds
        self._most = most_kept(_MOST_STREAMS) if most is None else most
        self._stall_seconds = stall_seconds
        self._open = 0
        self._waits: set[asyncio.Timeout] = set()
        self._is_closing = False

    def response(
        self, events: AsyncIterator[JournalEvent], on_pause: Callable[[], None], begins_at: int | None = None
    ) -> StreamingResponse:
        """An answer that never ends before the events do, or the server. `on_pause` is called when nothing came for a
        while. `begins_at` is told at once, as the id to come back with for who loses the connection before the first
        event. Raises `TooBusy`."""
        if self._open >= self._most:
            raise TooBusy
        lines = self._lines(events, on_pause, None if begins_at is None else str(begins_at))
        self._open += 1
        return _Stream(lines, self._release, self._stall_seconds)

    def close(self) -> None:
        """End them all. On their loop."""
        self._is_closing = True
        for wait in self._waits:
            with contextlib.suppress(RuntimeError):  # it expires already
                wait.reschedule(0)

    def _release(self) -> None:
        self._open -= 1

    async def _lines(
        self, events: AsyncIterator[JournalEvent], on_pause: Callable[[], None], begins_at: str | None
    ) -> AsyncIterator[bytes]:
        # At once, so that who connects knows that it listens.
        yield format_sse_event(comment="listening", id=begins_at)
        while not self._is_closing:
            try:
                event = await self._next(events)
            except StopAsyncIteration:
                return
            if event is not None:
                yield _told(event)
            elif not self._is_closing:
                on_pause()
                yield format_sse_event(comment="keep-alive")

    async def _next(self, events: AsyncIterator[JournalEvent]) -> JournalEvent | None:
        """The next event, None when there was none for a while. A wait that is cut short loses none."""
        try:
            async with asyncio.timeout(self._keep_alive_seconds) as wait:
                self._waits.add(wait)
                try:
                    return await anext(events)
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            return None


class _Stream(StreamingResponse):
    """It holds a place from when it was admitted until it has been answered, however that ends."""

    def __init__(self, lines: AsyncIterator[bytes], release: Callable[[], None], stall_seconds: float) -> None:
        super().__init__(lines, media_type=MEDIA_TYPE, headers=_HEADERS)
        self._release = release
        self._stall_seconds = stall_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:

                def allow(seconds: float | None) -> None:
                    if not patience.expired():  # which the task of this answer hears of only after this turn
                        patience.reschedule(None if seconds is None else loop.time() + seconds)

                async def patient_send(message: Message) -> None:
                    """Only while something is to be sent does time count; waiting for events may take for ever."""
                    allow(self._stall_seconds)
                    await send(message)
                    allow(None)

                await super().__call__(scope, receive, patient_send)
        except TimeoutError:
            # Closing would wait for the reader to take what is still to be sent.
            scope.get("state", {}).get(HANG_UP, _nothing)()
            raise ClientDisconnect from None
        finally:
            self._release()


def _nothing() -> None:
    """Where the server does not say how to hang up, it closes the connection itself once this answer has ended."""


def _told(event: JournalEvent) -> bytes:
    return format_sse_event(data_str=orjson.dumps(shapes.journal_event(event)).decode(), id=str(event.position))
