"""One request to one checked address, by httpx. It is the only module here that loads it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

import httpx

from omnidaemon.adapters.http.addresses import AddressFilter, AddressRefused
from omnidaemon.adapters.http.signing import signed
from omnidaemon.domain.webhook_policy import Answer
from omnidaemon.ports.notifier import WebhookMessage

_TIMEOUTS: Final = {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 5.0}
_LONGEST_ANSWER: Final = 64 * 1024
_SCHEMES: Final = ("http", "https")


class Posting:
    """Speaks to httpx' transport, below its client: there are no cookies, redirects, proxies and credentials there, and
    the address that was judged is the one that is connected to."""

    def __init__(self, addresses: AddressFilter, keys: Sequence[bytes], tls: ssl.SSLContext | None) -> None:
        self._addresses = addresses
        self._keys = keys
        # No connection is kept: two names may lie on one address, and each shall see its own certificate.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=tls or True, trust_env=False, limits=limits)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    async def post(self, message: WebhookMessage) -> Answer:
        """What the receiver says, or why it says nothing; how long that took is for the caller to add."""
        try:
            status, retry_after = await self._post(message)
        except AddressRefused as error:
            return Answer(error=str(error), is_final=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer(error=_told(error))
        return Answer(status_code=status, retry_after_seconds=retry_after)

    async def _post(self, message: WebhookMessage) -> tuple[int, float | None]:
        url = httpx.URL(message.url)
        if url.scheme not in _SCHEMES or not url.host or url.userinfo:
            raise AddressRefused("this is no URL of a webhook")
        host = url.raw_host.decode("ascii")
        addresses = await self._addresses.admitted(host, url.port or (443 if url.scheme == "https" else 80))
        for address in addresses[:-1]:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._exchange(message, url, host, address)
        return await self._exchange(message, url, host, addresses[-1])

    async def _exchange(
        self, message: WebhookMessage, url: httpx.URL, host: str, address: str
    ) -> tuple[int, float | None]:
        headers = {
            "host": url.netloc.decode("ascii"),
            "content-type": "application/json",
            "user-agent": f"omnidaemon/{version('omnidaemon')}",
            "accept-encoding": "identity",
            "connection": "close",
            **signed(message.message_id, message.at, message.body, self._keys),
        }
        request = httpx.Request(
            "POST",
            url.copy_with(host=address),
            headers=headers,
            content=message.body,
            extensions={"timeout": _TIMEOUTS, "sni_hostname": host},
        )
        response = await self._transport.handle_async_request(request)
        try:
            await _read_a_little(response)
        finally:
            await response.aclose()
        return response.status_code, _seconds(response.headers.get("retry-after"), message.at)


async def _read_a_little(response: httpx.Response) -> None:
    """Let a receiver finish what it says, up to a bound. What it says is of no account: its status was the answer, also
    if the rest never comes."""
    received = 0
    with contextlib.suppress(httpx.HTTPError):
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - the transport is asynchronous
        async for chunk in stream:
            received += len(chunk)
            if received >= _LONGEST_ANSWER:
                return


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """What Retry-After asks for: seconds or a date (RFC 9110, section 10.2.3); None for what is neither."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):  # the last for a year or a zone beyond every calendar
        return None


def _told(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
