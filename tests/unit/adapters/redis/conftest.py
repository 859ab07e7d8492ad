"""A handmade server, and a connection to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.adapters.redis.handmade import Handmade, Server


@pytest.fixture
async def server():
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


@pytest.fixture
async def connection(server):
    connection = Handmade(*await asyncio.open_connection("127.0.0.1", server.port))
    yield connection
    await connection.disconnect()
