"""A cable to pull at: a TCP proxy on loopback whose faults are switched while connections run through it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from enum import StrEnum
from types import TracebackType
from typing import Self

import attrs

_CHUNK_BYTES = 16 * 1024
_LOOK_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(StrEnum):
    """A direction through the proxy."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


@attrs.frozen(kw_only=True)
class Weather:
    """What happens to what passes. The default is fair weather.

    `latency_seconds` is added to each chunk, on each way; `jitter` spreads it by that share. `bytes_per_second` bounds
    each connection's way. What is `held` does not arrive, and arrives late when the weather changes, as TCP has it: one
    way held is a one-way drop, both are a black hole. `cut_after_bytes`: each connection is reset in the middle of
    what it sends, after about so many bytes. `is_refusing`: no connection comes about.
    """

    latency_seconds: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float | None = None
    held: frozenset[Way] = frozenset()
    cut_after_bytes: int | None = None
    is_refusing: bool = False


FAIR = Weather()
BLACK_HOLE = Weather(held=frozenset(Way))


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to the target. An async context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, seed: int = 0) -> None:
        self.weather = FAIR
        self.cuts = 0
        self._target = (host, port)
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "the proxy is not open"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.reset()

    async def reset(self) -> None:
        """Cut every connection that there is, without a farewell."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.get_running_loop().create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, is_whole = [writer], False
        try:
            if self.weather.is_refusing:
                return
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(Way.TO_SERVER, reader, far_writer))
                ways.create_task(self._pass_on(Way.TO_CLIENT, far_reader, writer))
            is_whole = True
        except* OSError:
            pass  # an end is away, or this was cut: both ends are to notice
        finally:
            for end in ends:
                end.close() if is_whole else _reset(end)

    async def _pass_on(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._length_until_cut()
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._let_through(way)
            await asyncio.sleep(self._delay_seconds(len(chunk)))
            if self.weather.cut_after_bytes is None or left is None:
                left = self._length_until_cut()
            if left is not None and len(chunk) >= left:
                writer.write(chunk[:left])
                await writer.drain()
                self.cuts += 1
                raise ConnectionResetError("cut by the weather")
            left = None if left is None else left - len(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def _let_through(self, way: Way) -> None:
        while way in self.weather.held:  # noqa: ASYNC110 - the weather is a plain value, set by whoever tests
            await asyncio.sleep(_LOOK_SECONDS)

    def _length_until_cut(self) -> int | None:
        about = self.weather.cut_after_bytes
        return None if about is None else self._chance.randint(about // 2, about + about // 2)

    def _delay_seconds(self, size: int) -> float:
        weather = self.weather
        spread = 1.0 + weather.jitter * self._chance.uniform(-1.0, 1.0)
        rate = 0.0 if weather.bytes_per_second is None else size / weather.bytes_per_second
        return weather.latency_seconds * spread + rate


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: the other side learns of it at once, and not as an end in good order."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
