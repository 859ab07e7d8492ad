"""The ASGI application: the routes behind their guards, and nothing that one would have to start."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from omnidaemon.bootstrap.setting_kinds import HOSTS
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.access import Access, OriginGuard
from omnidaemon.entrypoints.http.audience import Audience
from omnidaemon.entrypoints.http.capacity import most_kept
from omnidaemon.entrypoints.http.head import HeadAsGet
from omnidaemon.entrypoints.http.problems import add_handlers, problem
from omnidaemon.entrypoints.http.routes.agents import agents
from omnidaemon.entrypoints.http.routes.dead_letters import dead_letters, topics
from omnidaemon.entrypoints.http.routes.events import events
from omnidaemon.entrypoints.http.routes.system import system
from omnidaemon.entrypoints.http.routes.tasks import tasks
from omnidaemon.entrypoints.http.routes.webhooks import webhooks
from omnidaemon.entrypoints.http.scopes import SCOPES
from omnidaemon.entrypoints.http.streams import Streams
from omnidaemon.entrypoints.http.wait_limit import WaitLimit
from omnidaemon.ports.telemetry import Level, Telemetry

if TYPE_CHECKING:
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

_MOST_WAITS = 1000

_ABOUT = """Publish tasks to background agents, see what became of them, and control the agents.

Errors are `application/problem+json`. HEAD is answered wherever GET is, but for streams of events.

With keys configured, send one as `Authorization: Bearer KEY`."""


def create_app(sdk: OmniDaemonSDK, *, hosts: Iterable[str] = ()) -> FastAPI:
    """The HTTP API as an ASGI application, to be served or mounted in one's own, under any prefix.

    It works on the adapters of whichever loop it runs on, and opens them when they are first needed; `sdk.close()` or
    `sdk.stop()` on that loop closes them. `hosts` are names that it may be called by, beside those of the settings;
    `InvalidSetting` for what is none."""
    settings = sdk.settings
    named = HOSTS.read("hosts", hosts, "arguments")
    app = FastAPI(
        title="OmniDaemon",
        version=version("omnidaemon"),
        description=_ABOUT,
        # The document is a route like others, behind the same guard; the pages that FastAPI has for it load scripts
        # from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.client = sdk
    app.state.settings = settings
    app.state.access = access = Access(
        keys=settings.api_keys,
        hosts=frozenset((*settings.api_hosts, *named)),
        payload_max_bytes=settings.payload_max_bytes,
    )
    app.state.streams = Streams()
    app.state.audience = Audience(sdk)
    app.state.waits = WaitLimit(most_kept(_MOST_WAITS))
    add_handlers(app)
    app.add_middleware(HeadAsGet)
    app.add_middleware(OriginGuard, access=access)
    app.add_middleware(_LastResort, telemetry=sdk.container.telemetry())
    for routes in (tasks, events, agents, dead_letters, topics, webhooks, system):
        app.include_router(routes)
    _complete(app)
    return app


def _complete(app: FastAPI) -> None:
    """Have the OpenAPI document tell what FastAPI does not know: the form of errors, and who may do what."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complement(generate())
        return generate()  # which keeps what it has made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _complement(document: dict[str, Any]) -> None:
    parts = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (schemas.Problem, schemas.Flaw):
        parts[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        parts[model.__name__].pop("$defs", None)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for (method, path), scope in SCOPES.items():
        operation = document["paths"].get(path, {}).get(method.lower())
        if operation is not None and scope is not None:
            operation["security"] = [{"key": []}, {}]  # the empty one: a server without keys asks for none
            operation["description"] += f"\n\nScope: `{scope}`."


class _LastResort:
    """Middleware: a bug is logged with all that is known of it, and answered with nothing of it."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer if nobody else has."""
        is_begun = False

        async def watched(message: Any) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge of the application
            # Where it happened, and not its text: that may quote a payload.
            where = "".join(traceback.format_tb(error.__traceback__))
            what = f"{scope.get('method')} {scope.get('path')} failed of {type(error).__name__}"
            self._telemetry.say(Level.ERROR, f"{what}:\n{where}")
            if scope["type"] == "http" and not is_begun:
                told = problem("InternalError", HTTPStatus.INTERNAL_SERVER_ERROR, "a bug; the server's log tells more")
                await told(scope, receive, send)
