"""Errors that the API told of, as the errors that they are: the inverse of the server's `problems`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from omnidaemon import errors
from omnidaemon.domain.errors import BackendUnusable, Conflict, InvalidInput, NotFound, OmniDaemonError
from omnidaemon.entrypoints.http import request_errors

MEDIA_TYPE = "application/problem+json"
API = "API"
"""What stands for the backend in an error about the API itself."""

_KINDS: Mapping[str, type[OmniDaemonError]] = MappingProxyType(
    {
        name: kind
        for module in (errors, request_errors)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, OmniDaemonError)
    }
)
"""Every error that the API may tell of, by the name that it tells."""

_OF_STATUS: Mapping[int, type[OmniDaemonError]] = MappingProxyType(
    {HTTPStatus.NOT_FOUND: NotFound, HTTPStatus.CONFLICT: Conflict}
)
_NO_ROUTE = frozenset({"NotFound", "RouteNotFound", "MethodNotAllowed"})


def error_of(problem: Mapping[str, Any], status: int, location: str) -> OmniDaemonError:
    """The error that a problem+json tells of, of the same type and with the same message as on the server.

    One that is not known here, as of a newer server, keeps its message, and its kind as far as the status tells it.
    """
    name, detail = str(problem.get("error", "")), str(problem.get("detail", f"HTTP {status}"))
    attributes = problem.get("attributes")
    given = attributes if isinstance(attributes, Mapping) else {}
    if name in _NO_ROUTE and not given:
        return BackendUnusable(API, location, detail, "is it the right URL, and of the same version as this command?")
    kind = _KINDS.get(name)
    if kind is None:
        return _told(_OF_STATUS.get(status, OmniDaemonError), detail)
    fields = getattr(kind, "__attrs_attrs__", None)
    try:
        # Those without attributes have a message alone.
        return kind(detail) if fields is None else kind(**{f.name: given[f.name] for f in fields if f.name in given})
    except TypeError:  # of another version, which says other things of itself
        return _told(InvalidInput if issubclass(kind, InvalidInput) else OmniDaemonError, detail)


def _told(kind: type[OmniDaemonError], detail: str) -> OmniDaemonError:
    return kind(detail)
