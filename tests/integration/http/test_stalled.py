"""A client of events that stops to read, over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.api import create_app
from omnidaemon.entrypoints.http import server
from omnidaemon.entrypoints.http.binding import listen
from omnidaemon.entrypoints.http.streams import Streams
from omnidaemon.testing.patience import eventually

PATIENCE_SECONDS = 30
EVENTS = 2000
SMALL_BYTES = 4096


@pytest.fixture
async def sdk() -> AsyncIterator[OmniDaemonSDK]:
    """One with more events than the buffers of a connection hold."""
    made = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}, environ={}))
    await made.publish_tasks([("stalled", number) for number in range(EVENTS)])
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def served(sdk: OmniDaemonSDK, streams: Streams) -> AsyncIterator[int]:
    """The API's port, with so many places; its side of a connection buffers little."""
    app = create_app(sdk)
    app.state.streams = streams
    listener = listen("127.0.0.1", 0, has_keys=False)
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BYTES)
    serving = asyncio.create_task(server._serve(app, listener.socket))
    try:
        yield listener.socket.getsockname()[1]
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def stalled(port: int) -> socket.socket:
    """A client that asks for all events, and reads none."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def rest_of(client: socket.socket) -> bytes:
    """What it can still read before its connection is over."""
    client.settimeout(PATIENCE_SECONDS)
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            read += part
    return read


async def test_it_loses_its_place_and_its_connection(sdk: OmniDaemonSDK, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are let in, and nothing of it is left here, though it has not gone; when it comes back it goes on after
    what it has read."""
    over: list[int] = []
    lost = server._Connection.connection_lost

    def connection_lost(connection: server._Connection, error: Exception | None) -> None:
        assert connection.client is not None
        over.append(connection.client[1])
        lost(connection, error)

    monkeypatch.setattr(server._Connection, "connection_lost", connection_lost)
    async with (
        served(sdk, Streams(most=1, stall_seconds=0.3)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api,
    ):

        async def is_let_in() -> bool:
            async with api.stream("GET", "/events") as response:
                return response.status_code == 200

        with await asyncio.to_thread(stalled, port) as client:
            await eventually(is_let_in, is_wanted=lambda let_in: not let_in)
            await eventually(is_let_in, within_seconds=PATIENCE_SECONDS)
            assert client.getsockname()[1] in over
            read = await asyncio.to_thread(rest_of, client)
        whole = read.rpartition(b"\n\n")[0].decode()
        assert 0 < whole.count("\ndata: ") < EVENTS
        last = whole.rpartition("\nid: ")[2].split()[0]
        async with api.stream("GET", "/events", headers={"Last-Event-ID": last}) as response:
            first = await anext(line async for line in response.aiter_lines() if line.startswith("data: "))
        assert json.loads(first.removeprefix("data: "))["position"] == int(last) + 1
