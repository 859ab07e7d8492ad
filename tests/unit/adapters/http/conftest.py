"""A receiver on loopback that speaks as a test wants, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(status: str, *headers: str, body: bytes = b"") -> Speak:
    """A complete answer."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return speak


@attrs.define
class Receiver:
    """What came in: the head of each request, and its body."""

    port: int
    requests: list[tuple[str, dict[str, str], bytes]] = attrs.field(factory=list)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
def receiving():
    """A receiver that answers each request by `speak`; TLS with a context of a server."""

    @asynccontextmanager
    async def receiving(speak: Speak, tls=None, host="127.0.0.1") -> AsyncIterator[Receiver]:
        speaking: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            speaking.add(task)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                receiver.requests.append((first, headers, body))
                await speak(writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # the last: the test is over
            finally:
                writer.close()

        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        receiver = Receiver(server.sockets[0].getsockname()[1])
        try:
            yield receiver
        finally:
            server.close()
            for task in speaking:
                task.cancel()
            await asyncio.gather(*speaking, return_exceptions=True)

    return receiving
