"""The cable: what it does to a connection that runs through it."""

from __future__ import annotations

import asyncio
import time

import pytest

from omnidaemon.testing.chaos.proxy import BLACK_HOLE, FAIR, TcpProxy, Way, Weather
from omnidaemon.testing.patience import eventually


@pytest.fixture
async def echo():
    """The port of a server that says back what it hears, and the list of what it heard."""
    heard: list[bytes] = []

    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                heard.append(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], heard
    server.close()


@pytest.fixture
async def proxy(echo):
    async with TcpProxy(echo[0], seed=1) as proxy:
        yield proxy


@pytest.fixture
async def line(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.transport.abort()


async def answer(line, data=b"hello"):
    reader, writer = line
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), 5)


async def test_fair_weather_changes_nothing(line):
    assert await answer(line, b"x" * 100_000) == b"x" * 100_000
    reader, writer = line
    writer.write(b"the last word")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"the last word"


async def test_a_way_that_is_held_delivers_late_and_in_order(proxy, line, echo):
    proxy.weather = Weather(held=frozenset({Way.TO_CLIENT}))
    reader, writer = line
    writer.write(b"one")
    await eventually(_seen(lambda: echo[1] == [b"one"]))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    proxy.weather = FAIR
    assert await asyncio.wait_for(reader.readexactly(3), 5) == b"one"


async def test_a_black_hole_takes_connections_and_says_nothing(proxy, echo):
    proxy.weather = BLACK_HOLE
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"anybody?")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    assert echo[1] == []
    writer.transport.abort()


async def test_latency_and_a_narrow_line(proxy, line):
    proxy.weather = Weather(latency_seconds=0.05)
    began = time.monotonic()
    await answer(line)
    assert time.monotonic() - began >= 0.1
    proxy.weather = Weather(bytes_per_second=100_000)
    began = time.monotonic()
    await answer(line, b"x" * 10_000)
    assert time.monotonic() - began >= 0.2


async def test_a_connection_is_cut_in_the_middle(proxy, line, echo):
    await answer(line)
    proxy.weather = Weather(cut_after_bytes=1000)
    reader, writer = line
    writer.write(b"x" * 5000)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(5000), 5)
    assert proxy.cuts == 1
    assert 500 <= sum(map(len, echo[1])) - len(b"hello") <= 1500


async def test_the_same_seed_cuts_at_the_same_place(echo):
    lengths = []
    for _ in range(2):
        echo[1].clear()
        async with TcpProxy(echo[0], seed=3) as proxy:
            proxy.weather = Weather(cut_after_bytes=1000)
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"x" * 5000)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(5000), 5)
        lengths.append(sum(map(len, echo[1])))
    assert lengths[0] == lengths[1]


async def test_all_connections_are_reset_and_none_comes_about(proxy, line):
    await answer(line)
    await proxy.reset()
    reader, _ = line
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.read(1), 5)
    proxy.weather = Weather(is_refusing=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), 5)
    writer.transport.abort()


def _seen(holds):
    async def look():
        return holds()

    return look
