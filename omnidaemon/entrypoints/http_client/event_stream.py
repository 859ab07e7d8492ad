"""Events by the API, as Server-Sent Events, through interruptions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Self

from omnidaemon.domain.errors import BackendUnavailable, OmniDaemonError
from omnidaemon.domain.journal import JournalEvent
from omnidaemon.entrypoints import parsing
from omnidaemon.entrypoints.event_stream import EventStream
from omnidaemon.entrypoints.http_client.connection import ApiConnection
from omnidaemon.entrypoints.http_client.problems import API

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class SseStream(EventStream):
    """Knows its position, so that it goes on where it was when the connection is lost, and a wait that is cancelled
    gives it up. The server tells the position at which a stream begins, by the id of its first words."""

    def __init__(self, connection: ApiConnection, after: int | None, task_id: str | None, topic: str | None) -> None:
        self._connection = connection
        self._params = {"task": task_id, "topic": topic}
        self._position = after
        self._lines: AsyncIterator[str] | None = None
        self._hang_up: Callable[[], Awaitable[None]] | None = None

    @property
    def position(self) -> int | None:
        """Where to go on."""
        return self._position

    async def open(self) -> None:
        """Connect, and learn where the stream begins."""
        await self._opened()

    async def _opened(self) -> AsyncIterator[str]:
        if self._lines is not None:
            return self._lines
        headers = {} if self._position is None else {"Last-Event-ID": str(self._position)}
        async with contextlib.AsyncExitStack() as stack:
            stream = self._connection.stream("events", params=self._params, headers=headers)
            lines = await stack.enter_async_context(stream)
            await self._message(lines)  # its first words
            self._lines, self._hang_up = lines, stack.pop_all().aclose
        return lines

    async def aclose(self) -> None:
        """Hang up."""
        hang_up, self._lines, self._hang_up = self._hang_up, None, None
        if hang_up is not None:
            await hang_up()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JournalEvent:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                lines = await self._opened()
                pause = _FIRST_PAUSE_SECONDS
                while True:
                    data = await self._message(lines)
                    if data:
                        return self._event(data)
            except OmniDaemonError as error:
                await self.aclose()
                if not error.is_transient:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            except BaseException:
                await self.aclose()
                raise

    def _event(self, data: str) -> JournalEvent:
        try:
            return parsing.journal_event(json.loads(data))
        except (KeyError, TypeError, ValueError) as error:
            raise self._connection.strange("it tells of something else than events") from error

    async def _message(self, lines: AsyncIterator[str]) -> str:
        """The data of the next message, "" of one that has none; `BackendUnavailable` at the end of the stream.

        https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
        """
        data: list[str] = []
        position = self._position
        async for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                self._position = position
                return "\n".join(data)
            if name == "data":
                data.append(value)
            elif name == "id" and value.isdigit():
                position = int(value)
        raise BackendUnavailable(API, self._connection.location, "the stream has ended")
