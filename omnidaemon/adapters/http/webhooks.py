"""Webhooks: one request to one checked address, signed, bounded in time and size."""

from __future__ import annotations

import asyncio
import ssl
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs

from omnidaemon.adapters.http.addresses import AddressFilter
from omnidaemon.adapters.http.signing import key_of
from omnidaemon.domain.webhook_policy import Answer
from omnidaemon.ports.notifier import LONGEST_SEND_SECONDS, Notifier, NotifierContext, WebhookMessage

if TYPE_CHECKING:
    from omnidaemon.adapters.http.posting import Posting


class HttpNotifier(Notifier):
    """What speaks HTTP is loaded for the first message: every worker has a notifier, and most have nothing to send."""

    def __init__(
        self,
        context: NotifierContext,
        *,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = LONGEST_SEND_SECONDS,
    ) -> None:
        self._addresses = AddressFilter(tuple(context.allowed), context.is_loopback_allowed)
        self._keys = [key_of(secret) for secret in context.secrets]
        self._tls = tls
        self._deadline_seconds = deadline_seconds
        self._loading = asyncio.Lock()
        self._posting: Posting | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        posting, self._posting = self._posting, None
        if posting is not None:
            await posting.close()

    async def send(self, message: WebhookMessage) -> Answer:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                answer = await (await self._loaded()).post(message)
        except TimeoutError:
            answer = Answer(error=f"no answer within {self._deadline_seconds:g} s")
        return attrs.evolve(answer, seconds=time.monotonic() - began)

    async def _loaded(self) -> Posting:
        async with self._loading:
            if self._posting is None:
                self._posting = await asyncio.to_thread(self._load)
            return self._posting

    def _load(self) -> Posting:
        from omnidaemon.adapters.http.posting import Posting  # noqa: PLC0415 - httpx: a tenth of a worker's memory

        return Posting(self._addresses, self._keys, self._tls)


def http_notifier(context: NotifierContext) -> HttpNotifier:
    """The notifier of the entry point `http`."""
    return HttpNotifier(context)
