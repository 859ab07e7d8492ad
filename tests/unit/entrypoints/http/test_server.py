"""Beginning to serve, and ending it."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from omnidaemon.api import create_app, start_api_server
from omnidaemon.entrypoints.http import server
from omnidaemon.entrypoints.http.binding import Listener, listen
from omnidaemon.testing.patience import eventually
from tests.unit.entrypoints.http.conftest import made_sdk


async def test_cancelled_while_it_looks_its_name_up_it_listens_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow lookup goes on upon its thread; what it has bound then is let go of."""
    is_asked, may_answer = threading.Event(), threading.Event()
    bound: list[Listener] = []

    def slowly(host: str, port: int, *, has_keys: bool) -> Listener:
        is_asked.set()
        assert may_answer.wait(20)
        bound.append(listen(host, port, has_keys=has_keys))
        return bound[0]

    monkeypatch.setattr(server, "listen", slowly)
    serving = asyncio.create_task(start_api_server(made_sdk(), port=0))
    assert await asyncio.to_thread(is_asked.wait, 20)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    may_answer.set()

    async def is_closed() -> bool:
        return bool(bound) and bound[0].socket.fileno() == -1

    await eventually(is_closed)


async def test_a_connection_that_was_not_told_of_the_end_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is accepted in that very moment: nobody is answered any more from where the API is not served."""
    monkeypatch.setattr(server._Connection, "shutdown", lambda _: None)
    listener = listen("127.0.0.1", 0, has_keys=False)
    serving = asyncio.create_task(server._serve(create_app(made_sdk()), listener.socket))
    reader, writer = await asyncio.open_connection(*listener.socket.getsockname())
    question = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(question)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    answer = b""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionResetError):
            writer.write(question)
            answer = await reader.read()
    assert b"HTTP/1.1" not in answer
    writer.close()
