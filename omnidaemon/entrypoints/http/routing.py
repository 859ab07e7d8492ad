"""What the routes stand on: the client, by which all work goes, and what they say of themselves in OpenAPI."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.routing import APIRoute

from omnidaemon.bootstrap.settings import Settings
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.http.access import GuardedRoute
from omnidaemon.entrypoints.http.problems import MEDIA_TYPE
from omnidaemon.entrypoints.http.schemas import NAME_PATTERN, Absent, CursorText, Name, Problem


class Served(Protocol):
    """What is served: a client that knows its settings, as the SDK is one."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        ...


def _client(request: Request) -> Client:
    client: Client = request.app.state.client
    return client


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Serving = Annotated[Client, Depends(_client)]
InForce = Annotated[Settings, Depends(_settings)]

Topic = Annotated[str, Path(pattern=NAME_PATTERN, description="The topic.", examples=["greet.user"])]
AgentName = Annotated[str, Path(pattern=NAME_PATTERN, description="The agent's name.", examples=["greeter"])]
TaskId = Annotated[str, Path(description="The id that publishing answered.")]
OneAgent = Annotated[Name | Absent, Query(description="One agent's run alone, where the topic has several.")]
OfTopic = Annotated[Name | Absent, Query(description="Those of this topic alone.")]
Cursor = Annotated[
    CursorText | Absent,
    Query(description="The `cursor` of the page before: go on where that one ended."),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many.")]

_MEANINGS = {
    HTTPStatus.UNAUTHORIZED: "The server wants a key, and none that it knows was sent.",
    HTTPStatus.FORBIDDEN: "The key lacks the scope, the host or origin is not allowed, or a webhook asks for a change.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.CONFLICT: "It does not fit the state of things; nothing was changed.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body or the payload is too large; nothing was published.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not `application/json`.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request cannot be carried out as it was written.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A bug, or settings that cannot work.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Bus or store is away; `Retry-After` says when to try again.",
    HTTPStatus.GATEWAY_TIMEOUT: "It took too long; what was begun goes on.",
}
_ALWAYS = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These errors in OpenAPI's words, beside those that every route may answer."""
    return {int(status): _described(HTTPStatus(status)) for status in sorted({*_ALWAYS, *statuses})}


def _described(status: HTTPStatus) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}, "description": "RFC 6750."}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = {"schema": {"type": "string"}, "description": "Seconds."}
    return {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
        "headers": headers,
    }


def _operation_id(route: APIRoute) -> str:
    return route.name


def router(tag: str) -> APIRouter:
    """A router for the routes of one concern: guarded, and told of under one heading."""
    return APIRouter(
        tags=[tag],
        route_class=GuardedRoute,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
    )
