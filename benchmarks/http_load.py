"""HTTP from outside: posts over connections that are kept, and listeners of Server-Sent Events.

Standard library only and by hand: a client of the comfortable kind costs more for each request than the server does.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import time
from collections.abc import Callable, Iterator
from typing import Self

_MOST_CONNECTIONS = 8192
_PATIENCE_SECONDS = 100.0
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EVENT = b"data: {"
_END = b'"kind":"succeeded"'
_LONGEST_MARK = max(len(_EVENT), len(_END)) - 1


def allow_many_connections() -> None:
    """Raise this process's limit of open files, as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, _MOST_CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class HttpOrders:
    """What this client is told. An async context manager, which closes what listens."""

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []

    async def __aenter__(self) -> Self:
        allow_many_connections()
        return self

    async def __aexit__(self, *error: object) -> None:
        for listener in self._listeners:
            listener.close()

    async def post(self, port: int, topic: str, payloads: list[object], connections: int) -> dict[str, float]:
        """Publish each by a POST of its own, over so many connections at once; how long that took."""
        bodies = (json.dumps({"topic": topic, "payload": payload}).encode() for payload in payloads)
        requests = (
            b"POST /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
            for body in bodies
        )
        loop = asyncio.get_running_loop()
        posters = [_Poster(requests, loop.create_future()) for _ in range(connections)]
        started = time.perf_counter()
        for poster in posters:
            await loop.create_connection(_made(poster), "127.0.0.1", port)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*(poster.done for poster in posters))
        return {"seconds": time.perf_counter() - started}

    async def listen(self, port: int, listeners: int) -> dict[str, int]:
        """Open so many streams of all events; how many are open once each has said that it listens."""
        loop = asyncio.get_running_loop()
        for _ in range(listeners):
            listener = _Listener(loop.create_future())
            await loop.create_connection(_made(listener), "127.0.0.1", port)
            self._listeners.append(listener)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*(listener.opened for listener in self._listeners))
        return {"listening": len(self._listeners)}

    async def hear(self, ends: int) -> dict[str, float]:
        """Wait until each listener has heard of so many ended tasks; how many events that were in all, and how long it
        took from the first to the last."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            # Looking costs less than to be told by each of a thousand.
            while any(listener.ends < ends for listener in self._listeners):  # noqa: ASYNC110 - as said
                await asyncio.sleep(0.005)
        events = sum(listener.events for listener in self._listeners)
        first = min(listener.first_at for listener in self._listeners)
        return {"events": events, "seconds": max(listener.last_at for listener in self._listeners) - first}


def _made(protocol: asyncio.Protocol) -> Callable[[], asyncio.Protocol]:
    """As a factory, which is what asyncio takes."""
    return lambda: protocol


class _Poster(asyncio.Protocol):
    """One connection: the next request once the last one is answered."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.done = done
        self._requests = requests
        self._received = b""
        self._write: Callable[[bytes], None]
        self._close: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._write, self._close = transport.write, transport.close
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        if head.startswith(b"HTTP/1.1 202"):
            self._received = body[int(length[1]) :]
            self._go_on()
        elif not self.done.done():
            self.done.set_exception(ConnectionError(self._received[:500].decode()))

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server has closed a connection that was to be kept"))

    def _go_on(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._write(request)
        elif not self.done.done():
            self.done.set_result(None)
            self._close()


class _Listener(asyncio.Protocol):
    """One stream of events, which are counted and not read: a thousand readers share this process."""

    def __init__(self, opened: asyncio.Future[None]) -> None:
        self.opened = opened
        self.events = self.ends = 0
        self.first_at = self.last_at = 0.0
        self._tail = b""
        self.close: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.close = transport.close
        transport.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._tail += data
            if b"listening" in self._tail:
                self.opened.set_result(None)
            elif not self._tail.startswith(b"HTTP/1.1 200"[: len(self._tail)]):
                self.opened.set_exception(ConnectionError(self._tail[:500].decode()))
            return
        # A mark may be cut in two; what was counted whole before is not counted again.
        seen = self._tail[-_LONGEST_MARK:]
        text = seen + data
        heard = text.count(_EVENT) - seen.count(_EVENT)
        self.ends += text.count(_END) - seen.count(_END)
        self._tail = text[-_LONGEST_MARK:]
        if heard:
            self.events += heard
            self.last_at = time.perf_counter()
            self.first_at = self.first_at or self.last_at

    def connection_lost(self, _: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server has closed a stream"))
