"""A server that says what a test wants, and a connection to it as redis-py leaves one."""

from __future__ import annotations

import asyncio

from omnidaemon.testing.patience import eventually


class Handmade:
    """A connection as redis-py leaves it: connected, with nothing on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def disconnect(self, *, nowait: bool = False) -> None:
        self._writer.close()
        if not nowait:
            await self._writer.wait_closed()


class Server:
    """Hears what is sent, and says what the test wants."""

    def __init__(self) -> None:
        self.port = 0
        self.heard = b""
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while data := await reader.read(1000):
            self.heard += data
        writer.close()

    async def hears(self, words: bytes) -> None:
        await until(lambda: words in self.heard)

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


async def until(is_so):
    async def look():
        return is_so()

    await eventually(look, pause_seconds=0)
