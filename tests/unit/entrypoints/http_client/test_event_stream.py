"""Events by the API: each once and in order, however often the connection is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC, datetime

import httpx
import pytest

from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.http_client import event_stream
from omnidaemon.entrypoints.http_client.client import HttpClient
from omnidaemon.entrypoints.http_client.event_stream import SseStream
from tests.unit.entrypoints.http_client.conftest import connected

EVENTS = [
    JournalEvent(
        kind=EventKind.STARTED, task_id=f"t{n}", topic="greet", at=datetime(2030, 1, 1, tzinfo=UTC), position=n
    )
    for n in range(1, 201)
]
SSE = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Between one connection and the next."""
    monkeypatch.setattr(event_stream, "_FIRST_PAUSE_SECONDS", 0.0)


def told(event):
    """An event as the server sends it."""
    return f"data: {json.dumps(shapes.journal_event(event))}\nid: {event.position}\n\n"


class Broken(httpx.AsyncByteStream):
    """A body that breaks off after so many bytes, in the middle of a line or of a letter."""

    def __init__(self, text, after):
        self.bytes = text.encode()[:after]

    async def __aiter__(self):
        yield self.bytes
        raise httpx.ReadError("reset")


class Server:
    """Knows all events, and breaks off each answer somewhere."""

    def __init__(self, begins_at=0):
        self.begins_at = begins_at
        self.asked = []
        self.breaks = itertools.cycle([10, 37, 300, 641, 1000])

    def __call__(self, request):
        last = request.headers.get("last-event-id")
        self.asked.append(last)
        after = self.begins_at if last is None else int(last)
        body = f": listening\nid: {after}\n\n: keep-alive\n\n" + "".join(told(e) for e in EVENTS if e.position > after)
        return httpx.Response(200, headers=SSE, stream=Broken(body, next(self.breaks)))


async def test_a_stream_that_breaks_fifty_times_gives_each_event_once():
    """In order, wherever it breaks."""
    server = Server()
    stream = SseStream(connected(server), None, None, None)
    seen = [await anext(stream) for _ in EVENTS]
    assert seen == EVENTS
    assert len(server.asked) >= 50
    assert stream.position == 200
    await stream.aclose()
    await stream.aclose()


async def test_a_stream_that_breaks_before_its_first_event_misses_none():
    """The server has said where it begins: it does not begin later because it is asked again."""
    server = Server(begins_at=7)
    server.breaks = itertools.cycle([25, 1000])
    stream = SseStream(connected(server), None, None, None)
    await stream.open()
    server.begins_at = 100
    assert (await anext(stream)).position == 8
    assert server.asked[1] == "7"


class Silent(httpx.AsyncByteStream):
    """A body that says something, and then nothing any more."""

    def __init__(self, text):
        self.bytes = text.encode()

    async def __aiter__(self):
        yield self.bytes
        await asyncio.Event().wait()


async def test_a_wait_that_is_cancelled_loses_nothing():
    """It hangs up, and the next one goes on where it was."""
    asked = []

    def answer(request):
        asked.append(request.headers.get("last-event-id"))
        event = EVENTS[len(asked) - 1]
        return httpx.Response(200, headers=SSE, stream=Silent(f": hi\nid: {event.position - 1}\n\n{told(event)}"))

    stream = SseStream(connected(answer), None, None, None)
    assert (await anext(stream)).position == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(stream)
    assert (await anext(stream)).position == 2
    assert asked == [None, "1"]
    await stream.aclose()


async def test_what_cannot_pass_ends_the_stream():
    """A refusal, an answer that is none; opening also tells that nobody is there."""
    for answer in (
        lambda _: httpx.Response(200, json={}),
        lambda _: httpx.Response(404, text=""),
        lambda _: httpx.Response(200, headers=SSE, text="id: 1\n\ndata: {}\n\n"),
    ):
        with pytest.raises(BackendUnusable):
            await anext(SseStream(connected(answer), None, None, None))

    def away(_):
        raise httpx.ConnectError("x")

    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await HttpClient(connected(away)).events().open()


async def test_a_server_that_is_away_is_tried_again():
    """A stream that ends is no end of the events."""
    answers = [httpx.ConnectError("x"), httpx.Response(200, headers=SSE, text=": hi\nid: 3\n\n"), None]

    def answer(request):
        told_ = answers.pop(0)
        if isinstance(told_, Exception):
            raise told_
        return told_ or httpx.Response(200, headers=SSE, text=f": hi\nid: 3\n\n{told(EVENTS[3])}")

    stream = SseStream(connected(answer), 1, "t4", "greet")
    assert await anext(stream) == EVENTS[3]
