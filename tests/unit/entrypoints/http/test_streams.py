"""Events as streams: read by hand, since httpx collects what an ASGI application sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from omnidaemon.api import create_app
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.values import replace
from omnidaemon.entrypoints.http.request_errors import TooBusy
from omnidaemon.entrypoints.http.streams import HANG_UP, Streams
from tests.unit.entrypoints.http.conftest import caller, made_sdk, problem

PATIENCE_SECONDS = 20
EVENT = JournalEvent(kind=EventKind.STARTED, task_id="t", topic="greet.user", at=datetime(2030, 1, 1, tzinfo=UTC))


class Stream:
    """One request to the app, whose parts are read as they come."""

    def __init__(self, app, path, query="", headers=()):
        self._parts: asyncio.Queue[Any] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._text = ""
        self._is_over = False
        self.first_words: list[str] = []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *headers],
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._parts.put))

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def begin(self):
        """The status and the headers."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            start = await self._parts.get()
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}

    async def block(self):
        """The next block of lines, None at the end."""
        while "\n\n" not in self._text and not self._is_over:
            async with asyncio.timeout(PATIENCE_SECONDS):
                part = await self._parts.get()
            self._text += part["body"].decode()
            self._is_over = not part.get("more_body", False)
        block, _, self._text = self._text.partition("\n\n")
        return block or None

    async def event(self):
        """The next event, over comments; None at the end."""
        while (block := await self.block()) is not None:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            if "" not in fields:
                told = json.loads(fields["data"])
                assert fields["id"] == str(told["position"])
                return told
        return None

    async def close(self):
        """Go away, as a client does."""
        self._gone.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.task


@contextlib.asynccontextmanager
async def stream(app, path, query="", headers=()):
    """A stream that has begun."""
    opened = Stream(app, path, query, headers)
    try:
        status, told = await opened.begin()
        assert (status, told["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert told["cache-control"] == "no-store"
        first = await opened.block()
        assert first is not None
        opened.first_words = first.split("\n")
        assert opened.first_words[0] == ": listening"
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def app(sdk):
    """The API of an SDK whose agents run."""
    return create_app(sdk)


async def finished(sdk, topic="greet.user"):
    """The id of a task that has ended."""
    task_id = await sdk.publish_task(topic, "Alice")
    await sdk.wait_for_result(task_id, timeout=PATIENCE_SECONDS)
    return task_id


async def test_a_tasks_events_to_its_end(app, sdk):
    """From the first one on; then the stream ends, and asking for more says that there is none."""
    task_id = await finished(sdk, "fails")
    kinds, last = [], 0
    async with stream(app, f"/tasks/{task_id}/events") as events:
        while (event := await events.event()) is not None:
            assert event["task_id"] == task_id
            assert event["position"] > last
            last = event["position"]
            kinds.append(event["kind"])
    # Publishing is told by the log, which may be later than the worker.
    assert [kind for kind in kinds if kind != "published"] == ["started", "retried", "started", "dead"]
    async with caller(app) as api:
        response = await api.get(f"/tasks/{task_id}/events", headers={"Last-Event-ID": str(last)})
    assert (response.status_code, response.content) == (204, b"")


async def test_a_task_that_goes_on(app, sdk):
    """Is followed until it ends, by whatever."""
    task_id = await sdk.publish_task("greet.user", "Alice", delay=1000)
    async with stream(app, f"/tasks/{task_id}/events") as events:
        assert (await events.event())["kind"] == "scheduled"
        await sdk.cancel_task(task_id)
        assert (await events.event())["kind"] == "cancelled"
        assert await events.event() is None


async def test_a_stream_tells_where_it_begins(app, sdk):
    """Who loses the connection before the first event comes back with that, and misses none."""
    await finished(sdk)
    latest = [event.position async for event in _kept(sdk, 3)][-1]
    async with stream(app, "/events") as events:
        assert events.first_words[1:] == [f"id: {latest}"]
    async with stream(app, "/events", "after=1") as events:
        assert events.first_words[1:] == ["id: 1"]


@pytest.mark.parametrize("by", ["query", "header", "both"])
async def test_going_on_after_an_event(app, sdk, by):
    """The header that browsers send counts before the address that they were given."""
    await finished(sdk)
    second = await finished(sdk)
    events = [event async for event in _kept(sdk)]
    seen = events[2].position
    query = {"query": f"after={seen}", "header": "", "both": "after=0"}[by]
    headers = [] if by == "query" else [(b"last-event-id", str(seen).encode())]
    async with stream(app, "/events", query, headers) as told:
        assert [(await told.event())["position"] for _ in events[3:]] == [event.position for event in events[3:]]
    assert events[-1].task_id == second


async def _kept(sdk, many=6):
    stream = sdk.events(after=0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(many):
            yield await anext(stream)


async def test_all_events_from_now_on(app, sdk):
    """What was before does not come; topics are chosen by a pattern, a task by its id."""
    await finished(sdk)
    async with (
        stream(app, "/events") as everything,
        stream(app, "/events", "topic=greet.*") as greetings,
        stream(app, "/events", "topic=other") as nothing,
    ):
        task_id = await finished(sdk)
        async with stream(app, "/events", f"task={task_id}&after=0") as one:
            for events in (everything, greetings, one):
                told = [await events.event() for _ in range(3)]
                assert {event["kind"] for event in told} == {"published", "started", "succeeded"}
                assert {event["task_id"] for event in told} == {task_id}
        other = await sdk.publish_task("other", 1)
        assert (await nothing.event())["task_id"] == other


async def test_comments_keep_it_alive(app, sdk):
    """While nothing happens."""
    app.state.streams = Streams(keep_alive_seconds=0.2)
    async with stream(app, "/events") as events:
        assert await events.block() == ": keep-alive"
        assert await events.block() == ": keep-alive"
        task_id = await finished(sdk)
        assert (await events.event())["task_id"] == task_id


async def test_no_more_than_so_many(app):
    """A further one is told to come later; a place is free again once somebody has gone."""
    app.state.streams = Streams(most=1)
    async with caller(app) as api:
        async with stream(app, "/events"):
            response = await api.get("/events")
            problem(response, 503, "TooBusy")
            assert "retry-after" in response.headers
        async with stream(app, "/events"):
            pass


async def test_a_place_is_taken_when_it_is_given():
    """Not only once the first line is sent: a crowd that comes at once is not let in by the first look at the
    number."""
    streams = Streams(most=2)
    admitted = [streams.response(_nothing(), on_pause=lambda: None) for _ in range(2)]
    with pytest.raises(TooBusy):
        streams.response(_nothing(), on_pause=lambda: None)

    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        raise OSError("the client has gone")

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    for response in admitted:  # whose places are free again, though nothing of them was ever sent
        with pytest.raises(ClientDisconnect):
            await response(scope, receive, send)
    assert [streams.response(_nothing(), on_pause=lambda: None) for _ in range(2)]


async def _nothing():
    await asyncio.Event().wait()
    yield


def _scope(spec_version, hung_up):
    """Of a server that can hang up; it notes that it did."""
    return {
        "type": "http",
        "asgi": {"spec_version": spec_version},
        "state": {HANG_UP: lambda: hung_up.append(True)},
    }


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_reader_that_takes_nothing_loses_its_place(spec_version):
    """And its connection, where the server says how; one that only waits for events keeps both."""
    streams = Streams(most=1, stall_seconds=0.05)
    hung_up: list[bool] = []
    scope = _scope(spec_version, hung_up)
    sent = []

    async def send(message):
        sent.append(message)
        if len(sent) > 2:
            await asyncio.Event().wait()

    async def events():
        await asyncio.sleep(0.2)  # longer than a reader may stall
        for number in range(9):
            yield replace(EVENT, position=number)

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await streams.response(events(), on_pause=lambda: None)(scope, _stays, send)
    assert (len(sent), hung_up) == (3, [True])
    streams.response(events(), on_pause=lambda: None)  # there is a place again


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_reader_that_takes_something_in_the_moment_its_time_is_up(spec_version):
    """Has stalled all the same; it is no error of the server's."""
    streams = Streams(most=1, stall_seconds=0.0)
    hung_up: list[bool] = []
    scope = _scope(spec_version, hung_up)

    async def send(_):
        await asyncio.sleep(0)  # until the next turn of the loop, in which the time is up

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await streams.response(_nothing(), on_pause=lambda: None)(scope, _stays, send)
    assert hung_up == [True]


async def _stays():
    await asyncio.Event().wait()


async def test_a_wait_that_expires_just_then_does_not_keep_the_others(app):
    """Closing ends all of them, also when one is at the end of its patience in that very moment."""
    streams = Streams(keep_alive_seconds=0.05)
    closed = []

    class Events:
        """Closes the server while its own wait is expiring."""

        def __aiter__(self):
            return self

        async def __anext__(self):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                streams.close()
                closed.append(True)
                raise

    parts = [part async for part in streams.response(Events(), on_pause=lambda: None).body_iterator]
    assert (closed, len(parts)) == ([True], 1)


async def test_they_end_with_the_server(app):
    """At once, and properly."""
    async with stream(app, "/events") as events:
        app.state.streams.close()
        assert await events.event() is None


@pytest.mark.parametrize("query", ["task=nope", "task=nope&after=0", "task=no%20pe"])
async def test_an_unknown_task(app, query):
    """Is no stream that would be silent for ever."""
    async with caller(app) as api:
        problem(await api.get(f"/events?{query}"), 404, "TaskNotFound")


async def test_what_the_journal_keeps_of_a_deleted_task(app, sdk):
    """Is told to who was interrupted before it was deleted; who begins now is told that there is none."""
    task_id = await finished(sdk)
    async with stream(app, "/events", f"task={task_id}&after=0") as events:
        seen = [await events.event() for _ in range(3)][-1]["position"]
    await sdk.delete_task(task_id)
    async with stream(app, "/events", f"task={task_id}&after={seen}") as events:
        assert (await events.event())["kind"] == "deleted"
    async with caller(app) as api:
        problem(await api.get(f"/events?task={task_id}"), 404, "TaskNotFound")


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={2**63}", "topic=" + "x" * 201])
async def test_flawed_questions(app, query):
    """Are refused before a stream begins."""
    async with caller(app) as api:
        problem(await api.get(f"/events?{query}"), 422, "InvalidInput")


async def test_a_removed_agent_ends_a_wait_without_an_event():
    """A task that waits for nobody any more has ended, though nothing happened to it."""
    sdk = made_sdk()
    async with sdk:
        pass
    task_id = await sdk.publish_task("greet.user", "Alice")
    app = create_app(sdk)
    app.state.streams = Streams(keep_alive_seconds=0.2)
    async with stream(app, f"/tasks/{task_id}/events") as events:
        assert (await events.event())["kind"] == "published"
        await sdk.delete_task(task_id)
        told = await events.event()
        assert told is None or told["kind"] == "deleted"
        assert told is None or await events.event() is None
    await sdk.close()
