"""Who is let in, and with what: host, origin, key, content type, size and depth, before a route sees anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ConnectionScope

from omnidaemon.adapters.codecs.plain_json import MAX_DEPTH, is_too_deep
from omnidaemon.bootstrap.api_keys import ApiKey, Scope, matching
from omnidaemon.bootstrap.host_names import host_name
from omnidaemon.entrypoints.http.problems import problem_of
from omnidaemon.entrypoints.http.request_errors import (
    BodyNotJson,
    BodyTooLarge,
    Forbidden,
    ForeignOrigin,
    HostNotAllowed,
    InsufficientScope,
    NotForWebhooks,
    NotJsonContent,
    Unauthorized,
    UnknownParameter,
)
from omnidaemon.entrypoints.http.scopes import SCOPES

_ALWAYS_ALLOWED = frozenset({"localhost", "127.0.0.1", "::1"})
_USUAL_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{0,5}))?")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_BESIDE_THE_PAYLOAD_BYTES = 64 * 1024


@attrs.frozen(kw_only=True)
class Access:
    """The rules of one server. Without keys everybody who reaches it may do everything: it is bound to loopback
    then."""

    keys: tuple[ApiKey, ...]
    hosts: frozenset[str]
    payload_max_bytes: int

    @property
    def body_max_bytes(self) -> int:
        """A payload, and what stands around it."""
        return self.payload_max_bytes + _BESIDE_THE_PAYLOAD_BYTES

    def check_origin(self, method: str, headers: Headers) -> None:
        """Raise `HostNotAllowed` for a name that is none of ours; of changes, `ForeignOrigin` for one that another
        origin's page asks for, `NotForWebhooks` for one that a webhook does."""
        host = headers.get("host", "")
        name, port = _authority(host)
        if name is None or name not in self.hosts | _ALWAYS_ALLOWED:
            raise HostNotAllowed(host)
        if method in _READING:
            return
        if "webhook-id" in headers:
            raise NotForWebhooks
        origin = headers.get("origin")
        if origin is not None:
            # The scheme is not compared: behind a proxy that ends TLS it is another one here.
            scheme, _, place = origin.partition("://")
            usual = _USUAL_PORTS.get(scheme.lower())
            its_name, its_port = _authority(place)
            if usual is None or (its_name, its_port or usual) != (name, port or usual):
                raise ForeignOrigin(origin)

    def check_key(self, method: str, path: str, headers: Headers) -> None:
        """Raise `Unauthorized` or `InsufficientScope` unless the request's key permits this route."""
        scope = SCOPES[method, path]
        if not self.keys or scope is None:
            return
        key = self._key(headers)
        if scope not in key.scopes:
            raise InsufficientScope(scope.value, key.name)

    def permits(self, scope: Scope, headers: Headers) -> bool:
        """Whether the request's key, which was checked, has this scope, too."""
        return not self.keys or scope in self._key(headers).scopes

    def _key(self, headers: Headers) -> ApiKey:
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.strip():
            raise Unauthorized(is_given=False)
        key = matching(self.keys, secret.strip())
        if key is None:
            raise Unauthorized(is_given=True)
        return key


def _authority(text: str) -> tuple[str | None, int | None]:
    """The name and the port, as a `Host` has them; no name where it is malformed, or says more than that."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None, None
    return host_name(found["name"]), int(found["port"]) if found["port"] else None


class OriginGuard:
    """Middleware: no request gets further that comes by a foreign name or from a foreign page, whatever its path."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: ConnectionScope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] == "http":
            try:
                self._access.check_origin(scope["method"], Headers(scope=scope))
            except Forbidden as error:
                await problem_of(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class GuardedRoute(APIRoute):
    """A route that stands in the table of scopes, without which it cannot be made. Nothing of a body is read before the
    key is checked, and no more of it than a payload may have."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As the route's own, behind the checks."""
        for method in self.methods or ():
            if (method, self.path_format) not in SCOPES:
                raise LookupError(f"{method} {self.path_format} has no scope: name it in scopes.py")
        answer = super().get_route_handler()
        parameters = frozenset(field.alias for field in self.dependant.query_params)

        async def guarded(request: Request) -> Response:
            access: Access = request.app.state.access
            access.check_key(request.method, self.path_format, request.headers)
            for name in request.query_params:
                if name not in parameters:
                    raise UnknownParameter(name, ", ".join(sorted(parameters)))
            return await answer(await _bounded(request, access.body_max_bytes, is_read=self.body_field is not None))

        return guarded


class _ReadRequest(Request):
    """A request whose body was read and parsed."""

    taken = b""
    value: object = None

    async def body(self) -> bytes:
        return self.taken

    async def json(self) -> Any:
        return self.value


async def _bounded(request: Request, limit_bytes: int, *, is_read: bool) -> Request:
    """The request with its body read, as far as the limit goes; parsed where the route takes one."""
    content_type = request.headers.get("content-type", "")
    has_body = _has_body(request)
    if has_body and content_type.partition(";")[0].strip().lower() != "application/json":
        raise NotJsonContent(content_type[:100])
    if not is_read:
        return request
    taken = bytearray()
    if int(request.headers.get("content-length", "0")) > limit_bytes:
        raise BodyTooLarge(int(request.headers["content-length"]), limit_bytes)
    async for part in request.stream():
        taken += part
        if len(taken) > limit_bytes:
            raise BodyTooLarge(len(taken), limit_bytes)
    read = _ReadRequest(request.scope, request.receive)
    read.taken = bytes(taken)
    if taken:
        read.value = _parsed(read.taken)
        if not content_type:
            raise NotJsonContent("")
    return read


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _parsed(text: bytes) -> object:
    # Not by orjson, which takes an integer beyond 64 bits for a float; here the codec refuses it.
    try:
        value: object = json.loads(text.decode(), parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise BodyNotJson(f"{error.msg[0].lower()}{error.msg[1:]} at character {error.pos}") from None
    except UnicodeDecodeError as error:
        raise BodyNotJson(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise BodyNotJson(_TOO_DEEP) from None
    except BodyNotJson:  # a number that JSON has not
        raise
    except ValueError as error:  # a number of more digits than Python reads
        raise BodyNotJson(str(error)) from None
    # A payload may be as deep as that, and stands in an object here.
    parts = value.values() if isinstance(value, dict) else [value]
    if any(is_too_deep(text, part) for part in parts):
        raise BodyNotJson(_TOO_DEEP)
    return value


def _refused(name: str) -> object:
    raise BodyNotJson(f"it has no number {name}")


_TOO_DEEP = f"it holds what is nested deeper than {MAX_DEPTH} levels"
