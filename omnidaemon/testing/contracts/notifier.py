"""What every Notifier keeps: one attempt, its answer, and never an exception for what a receiver or a network does."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import attrs
import pytest

from omnidaemon.domain.secret import Secret
from omnidaemon.ports.notifier import LONGEST_SEND_SECONDS, Notifier, NotifierContext, WebhookMessage

SECRET = Secret("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
HOSTILE_LINES = (
    "Retry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Retry-After: Mon, 01 Jan 2030 00:00:00 +99999999999999",
    "Retry-After: Fri, 31 Dec 9999 23:59:59 -2359",
    "Retry-After: Mon, 01 Jan 0001 00:00:00 +2359",
    f"Retry-After: {'9' * 5000}",
    "Retry-After: -1e999",
    "Retry-After: \u0661\u0662",
    "Location: http://[::",
    "Content-Encoding: gzip, gzip, gzip",
    "Transfer-Encoding: chunked",
    "a line without a colon",
    f"X: {'x' * 200_000}",
)


@attrs.define
class Heard:
    """What a receiver on loopback was sent."""

    url: str
    requests: list[tuple[dict[str, str], bytes]] = attrs.field(factory=list)


@asynccontextmanager
async def receiver(status: int, *lines: str, hangs: bool = False) -> AsyncIterator[Heard]:
    """One that answers with this status and these lines of a head, or never."""
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in asked.split("\r\n"))
        }
        heard.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        if hangs:
            await is_over.wait()
        else:
            head = "\r\n".join((f"HTTP/1.1 {status} Whatever", "Content-Length: 0", *lines))
            writer.write(f"{head}\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    heard = Heard(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
    try:
        yield heard
    finally:
        is_over.set()
        server.close()


def message(url: str) -> WebhookMessage:
    """A message of a few bytes."""
    return WebhookMessage(message_id="webhook-1", url=url, body=b'{"status":"succeeded"}', at=datetime.now(UTC))


class NotifierContract:
    """Against a receiver on loopback, which the context allows. A subclass overrides `make_notifier`."""

    pytestmark = pytest.mark.asyncio

    def make_notifier(self, context: NotifierContext) -> Notifier:
        """The notifier for this context, not entered yet: what the plugin's entry point does."""
        raise NotImplementedError(f"{type(self).__name__}.make_notifier(context): return your notifier, not entered")

    async def test_notifier_sends_the_message(self) -> None:
        """Its body as it is, under the headers of Standard Webhooks, signed."""
        async with receiver(204) as heard, self.make_notifier(_context()) as notifier:
            answer = await notifier.send(message(heard.url))
        ((headers, body),) = heard.requests
        assert json.loads(body) == {"status": "succeeded"}
        assert headers["webhook-id"] == "webhook-1"
        assert headers["webhook-timestamp"].isdigit()
        assert headers["webhook-signature"].startswith("v1,")
        assert (answer.status_code, answer.error) == (204, None)
        assert answer.seconds >= 0

    @pytest.mark.parametrize("status", [200, 302, 404, 410, 500])
    async def test_notifier_gives_the_status_as_it_is(self, status: int) -> None:
        """What follows from it is not the notifier's to decide: no redirect, no second attempt."""
        async with receiver(status) as heard, self.make_notifier(_context()) as notifier:
            assert (await notifier.send(message(heard.url))).status_code == status
        assert len(heard.requests) == 1

    @pytest.mark.parametrize("line", HOSTILE_LINES, ids=lambda line: line[:50])
    async def test_notifier_raises_nothing_for_what_a_receiver_says(self, line: str) -> None:
        """Whatever it makes of a head that no honest receiver sends, it is an answer that can be tried again."""
        async with receiver(503, line) as heard, self.make_notifier(_context()) as notifier:
            answer = await notifier.send(message(heard.url))
        assert answer.status_code == 503 or answer.error
        assert not answer.is_final
        assert answer.retry_after_seconds is None or answer.retry_after_seconds >= 0

    async def test_notifier_gives_an_error_where_nobody_answers(self) -> None:
        """It may be tried again."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with self.make_notifier(_context()) as notifier:
            answer = await notifier.send(message(f"http://127.0.0.1:{port}/"))
        assert answer.status_code is None
        assert answer.error
        assert not answer.is_final

    async def test_notifier_waits_no_longer_than_it_may(self) -> None:
        """For a receiver that says nothing; sends do not wait for one another."""
        async with (
            receiver(200, hangs=True) as deaf,
            receiver(200) as heard,
            self.make_notifier(_context()) as notifier,
        ):
            began = time.monotonic()
            waiting = asyncio.ensure_future(notifier.send(message(deaf.url)))
            assert (await notifier.send(message(heard.url))).status_code == 200
            assert not waiting.done()
            answer = await waiting
            assert time.monotonic() - began < LONGEST_SEND_SECONDS + 5.0
        assert answer.status_code is None
        assert not answer.is_final

    @pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/"])
    async def test_notifier_refuses_what_is_private(self, url: str) -> None:
        """For good: whoever publishes shall not reach what only the worker can."""
        async with self.make_notifier(_context()) as notifier:
            assert (await notifier.send(message(url))).is_final

    async def test_notifier_refuses_this_machine_unless_it_may_be_reached(self) -> None:
        """Likewise."""
        closed = attrs.evolve(_context(), is_loopback_allowed=False)
        async with receiver(200) as heard, self.make_notifier(closed) as notifier:
            assert (await notifier.send(message(heard.url))).is_final
        assert heard.requests == []


def _context() -> NotifierContext:
    return NotifierContext(secrets=(SECRET,), is_loopback_allowed=True)
