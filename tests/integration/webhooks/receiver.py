"""A receiver of webhooks on a thread of its own, which fails as often and in as many ways as a test wants."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from standardwebhooks.webhooks import Webhook

Failure = Callable[[asyncio.StreamWriter], Awaitable[None]]


def _says(*lines: str) -> Failure:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join((*lines, "Content-Length: 0", "", "")).encode())
        await writer.drain()

    return speak


async def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


FAILURES: Final[dict[str, Failure]] = {
    "500": _says("HTTP/1.1 500 Internal Server Error"),
    "503": _says("HTTP/1.1 503 Service Unavailable"),
    "429": _says("HTTP/1.1 429 Too Many Requests", "Retry-After: 1"),
    "reset": _reset,
    "hang": _hang,
    "redirect": _says("HTTP/1.1 302 Found", "Location: http://127.0.0.1:1/elsewhere"),
    "closed": _close,
}


class Receiver:
    """Verifies each signature, then answers or fails. `arrived` counts the answered deliveries by the webhook's id."""

    def __init__(self, secret: str, share_that_fails: float, seed: int = 7) -> None:
        self.arrived: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.unverified: list[str] = []
        self.bodies: dict[str, Any] = {}
        self.ids_by_task: defaultdict[str, set[str]] = defaultdict(set)
        self.url = ""
        self._webhook = Webhook(secret)
        self._share = share_that_fails
        self._chance = random.Random(seed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in head.split("\r\n"))}
            body = await reader.readexactly(int(headers["content-length"]))
            await self._answer(headers, body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        webhook_id = headers["webhook-id"]
        try:
            self.bodies[webhook_id] = self._webhook.verify(body, headers)
        except Exception as error:  # noqa: BLE001 - the test says what was wrong
            self.unverified.append(f"{webhook_id}: {error!r}")
        self.ids_by_task[self.bodies[webhook_id]["task_id"]].add(webhook_id)
        if self._chance.random() < self._share:
            way = self._chance.choice(list(FAILURES))
            self.failed[way] += 1
            await FAILURES[way](writer)
        else:
            self.arrived[webhook_id] += 1
            await _says("HTTP/1.1 204 No Content")(writer)


@contextmanager
def receiving(secret: str, share_that_fails: float = 0.0) -> Iterator[Receiver]:
    """A receiver, for as long as this lasts."""
    receiver = Receiver(secret, share_that_fails)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0, backlog=1000)
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        ready.set()
        await stopping.wait()
        server.close()
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await asyncio.sleep(0.05)  # what was aborted is closed by the loop

    stopping = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
