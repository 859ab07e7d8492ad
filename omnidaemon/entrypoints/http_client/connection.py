"""Requests to one API: its address, its key, and what may go wrong on the way, as typed errors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from omnidaemon.bootstrap.api_address import ApiAddress
from omnidaemon.bootstrap.settings import without_secrets
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable
from omnidaemon.domain.secret import Secret
from omnidaemon.entrypoints.http_client.problems import API, MEDIA_TYPE, error_of

T = TypeVar("T")

_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 45.0
"""So long without a sign of life a stream is taken for dead; the server gives one every fifteen seconds."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_JSON: Final = MappingProxyType({"Content-Type": "application/json"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ApiConnection:
    """Opens nothing before the first request. Belongs to one loop."""

    def __init__(self, address: ApiAddress, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport` takes the place of the network, in tests."""
        self.location = without_secrets("", address.url)
        self._hint = f"is `omni run` serving its API there? the address comes from {address.origin}"
        self._http = httpx.AsyncClient(
            base_url=address.url,
            auth=None if address.key is None else _bearer(address.key),  # before what the URL may hold
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=urlsplit(address.url).hostname not in _LOOPBACK,  # no proxy knows the way to this machine
            transport=transport,
        )

    async def close(self) -> None:
        """Close what requests have opened. Idempotent."""
        await self._http.aclose()

    async def ask(
        self,
        read: Callable[[Any], T],
        method: str,
        *path: str,
        params: Mapping[str, Any] = _NOTHING,
        body: bytes | None = None,
        wait_seconds: float = 0.0,
        besides: Collection[int] = (),
    ) -> T:
        """What `read` makes of the JSON answer. `path` are the parts of the path, unquoted; `body` is JSON text;
        `params` that are None are left out; `wait_seconds` is how long the server may take on purpose; `besides` are
        statuses above 399 that are answers too.

        Raises the error that the server told of, `BackendUnavailable` when it cannot be reached, `BackendUnusable` when
        what answers is no API of this kind.
        """
        with self._translating():
            response = await self._http.request(
                method,
                _path(path),
                params={name: value for name, value in params.items() if value is not None},
                content=body,
                headers={} if body is None else _JSON,
                timeout=httpx.Timeout(_ANSWER_SECONDS + wait_seconds, connect=_CONNECT_SECONDS),
            )
        self._check(response, besides)
        try:
            return read(response.json() if response.content else None)
        except (KeyError, TypeError, ValueError) as error:
            raise self.strange(f"it answers {method} /{'/'.join(path)} with something else") from error

    @contextlib.asynccontextmanager
    async def stream(
        self, *path: str, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an answer that goes on; errors as with `ask`."""
        with self._translating():
            async with self._http.stream(
                "GET",
                _path(path),
                params={name: value for name, value in params.items() if value is not None},
                headers={"Accept": "text/event-stream", **headers},
                timeout=httpx.Timeout(SILENCE_SECONDS, connect=_CONNECT_SECONDS),
            ) as response:
                if response.is_error:
                    await response.aread()
                self._check(response, ())
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise self.strange("it answers with no stream of events")
                yield self._lines(response)

    async def _lines(self, response: httpx.Response) -> AsyncIterator[str]:
        with self._translating():
            async for line in response.aiter_lines():
                yield line

    def _check(self, response: httpx.Response, besides: Collection[int]) -> None:
        if response.is_success or response.status_code in besides:
            return
        try:
            problem = response.json() if response.headers.get("content-type", "").startswith(MEDIA_TYPE) else None
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            raise self.strange(f"it answers HTTP {response.status_code}")
        raise error_of(problem, response.status_code, self.location)

    def strange(self, reason: str) -> BackendUnusable:
        """The error for an answer that is none."""
        return BackendUnusable(API, self.location, reason, "is it the URL of an OmniDaemon API, of the same version?")

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise BackendUnavailable(API, self.location, _reason(error), self._hint) from error
        except (httpx.InvalidURL, httpx.RequestError) as error:
            raise BackendUnusable(API, self.location, _reason(error), self._hint) from error


def _bearer(key: Secret) -> Callable[[httpx.Request], httpx.Request]:
    def signed(request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {key.reveal()}"
        return request

    return signed


def _path(parts: Collection[str]) -> str:
    return "".join(f"/{_part(part)}" for part in parts)


def _part(part: str) -> str:
    # A name may be `.` or `..`, which on the way would be taken for a folder.
    return part.replace(".", "%2E") if part in {".", ".."} else quote(part, safe="")


def _reason(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return "nobody answers there"
        case httpx.TimeoutException():
            return "it took too long to answer"
        case httpx.RemoteProtocolError():
            return "it hung up"
        case httpx.ConnectError():
            return f"it cannot be reached ({_deepest(error)})"
        case _:
            return str(error) or type(error).__name__


def _deepest(error: BaseException) -> str:
    """What the operating system said: the layers above it only repeat that nothing worked."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    if isinstance(error, OSError) and error.errno and error.errno > 0:  # below are those of a look-up for a host
        return os.strerror(error.errno).lower()
    return getattr(error, "strerror", "") or str(error) or type(error).__name__
