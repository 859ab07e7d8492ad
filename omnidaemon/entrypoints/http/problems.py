"""Errors as answers: one table from the kind of error to a status, and the one form that all of them have (RFC
9457)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import attrs
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from omnidaemon.domain.errors import (
    BackendError,
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotFound,
    OmniDaemonError,
    PayloadTooLarge,
    PublishFailed,
    WaitTimedOut,
)
from omnidaemon.entrypoints.http.flaws import flaws_of
from omnidaemon.entrypoints.http.request_errors import (
    Forbidden,
    InsufficientScope,
    NotJsonContent,
    TooBusy,
    Unauthorized,
)
from omnidaemon.entrypoints.http.scopes import methods_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
OPENAPI_PATH = "/openapi.json"

# The first that fits is taken: the special before the general.
_STATUSES: tuple[tuple[type[OmniDaemonError], HTTPStatus], ...] = (
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotJsonContent, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (TooBusy, HTTPStatus.SERVICE_UNAVAILABLE),
    (PayloadTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (WaitTimedOut, HTTPStatus.GATEWAY_TIMEOUT),
    (BackendError, HTTPStatus.SERVICE_UNAVAILABLE),
    (PublishFailed, HTTPStatus.SERVICE_UNAVAILABLE),
    (ConfigurationError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def status_of(error: OmniDaemonError) -> HTTPStatus:
    """The status that an error is answered with."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_of(error: OmniDaemonError) -> JSONResponse:
    """The answer to a typed error: its name, its message, and what it says of itself."""
    return problem(type(error).__name__, status_of(error), str(error), headers=_headers(error), attributes=_told(error))


def problem(
    name: str,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> JSONResponse:
    """A problem+json answer. `error` is the name that the same error has in Python; `errors` are single flaws of the
    input, each with where it is."""
    content: dict[str, Any] = {
        "type": f"urn:omnidaemon:error:{name}",
        "title": _WORDS.sub(" ", name).capitalize(),
        "status": int(status),
        "detail": detail,
        "error": name,
        "attributes": dict(attributes or {}),
        "errors": list(errors),
    }
    return JSONResponse(content, status_code=int(status), headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _headers(error: OmniDaemonError) -> dict[str, str]:
    match error:
        case InsufficientScope():
            return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
        case Unauthorized():
            return {"WWW-Authenticate": f"Bearer{error.challenge}"}
        case OmniDaemonError() if status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE and error.is_transient:
            return {"Retry-After": str(RETRY_AFTER_SECONDS)}
        case _:
            return {}


def _told(error: OmniDaemonError) -> dict[str, Any]:
    """The error's attributes, as far as JSON can carry them, for a client that wants to raise the same."""
    kind: type = type(error)
    if not attrs.has(kind):
        return {}
    return {field.name: _plain(getattr(error, field.name)) for field in attrs.fields(kind)}


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[:_LONGEST_TOLD].encode(errors="replace").decode()


_LONGEST_TOLD = 1000


def add_handlers(app: FastAPI) -> None:
    """Have the app answer every error in this form."""

    @app.exception_handler(OmniDaemonError)
    async def _typed(_: Request, error: OmniDaemonError) -> JSONResponse:
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        flaws = flaws_of(error.errors())
        detail = "; ".join(f"{flaw['where']}: {flaw['message']}" for flaw in flaws[:_FLAWS_IN_DETAIL])
        return problem(InvalidInput.__name__, HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=flaws[:_MOST_FLAWS])

    @app.exception_handler(HTTPException)
    async def _plain_http(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        name = status.phrase.title().replace(" ", "")
        detail = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        if status == HTTPStatus.NOT_FOUND:
            name = "RouteNotFound"  # not the name of an error that says that a task or an agent is missing
            detail += f"; {request.scope.get('root_path', '')}{OPENAPI_PATH} lists what there is"
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names those of the first route that fits the path.
            path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
            headers["Allow"] = ", ".join(methods_of(path))
        return problem(name, status, detail, headers=headers)


_FLAWS_IN_DETAIL, _MOST_FLAWS = 3, 20
