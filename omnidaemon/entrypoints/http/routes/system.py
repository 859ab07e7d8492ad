"""The system: health and probes, metrics, settings, a check-up, and what the API says of itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from omnidaemon.entrypoints import checkup, shapes
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.problems import OPENAPI_PATH
from omnidaemon.entrypoints.http.prometheus import JSON, exposition, wants_text
from omnidaemon.entrypoints.http.routing import InForce, Serving, problems, router
from omnidaemon.entrypoints.shapes import Shape

system = router("system")

_AWAY = HTTPStatus.SERVICE_UNAVAILABLE
_VARIES = {"Vary": "Accept"}


@system.get("/", response_model=schemas.About, responses=problems())
async def get_about(request: Request) -> Shape:
    """What answers here, and where to look further."""
    prefix = request.scope.get("root_path", "")
    return {
        "name": request.app.title,
        "version": request.app.version,
        "openapi": f"{prefix}{OPENAPI_PATH}",
        "health": f"{prefix}/health",
    }


@system.get(
    "/health",
    response_model=schemas.Health,
    responses=problems() | {int(_AWAY): {"model": schemas.Health, "description": "It cannot work."}},
)
async def get_health(client: Serving, settings: InForce, response: Response) -> Shape:
    """Whether bus and store answer, and what is lossy or degraded; 503 when it cannot work."""
    state = await checkup.health(client, settings)
    if state.status == "unavailable":
        response.status_code = _AWAY
    return shapes.health(state)


@system.get("/livez", response_model=schemas.Probe, responses=problems())
async def get_livez() -> Shape:
    """For a liveness probe: the process answers. Needs no key."""
    return {"status": "ok"}


@system.get(
    "/readyz",
    response_model=schemas.Probe,
    responses=problems() | {int(_AWAY): {"model": schemas.Probe, "description": "Not now."}},
)
async def get_readyz(client: Serving, settings: InForce, response: Response) -> Shape:
    """For a readiness probe: bus and store answer. Needs no key."""
    if (await checkup.health(client, settings)).status == "unavailable":
        response.status_code = _AWAY
        return {"status": "unavailable"}
    return {"status": "ok"}


@system.get(
    "/metrics",
    response_model=dict[str, dict[str, schemas.Counted]],
    responses=problems()
    | {
        200: {
            "description": "Topic → agent → counts; or Prometheus' text, when `Accept` asks for text or OpenMetrics.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_metrics(request: Request, client: Serving) -> Response:
    """What each agent has done since the store was made."""
    done = await client.metrics()
    accept = request.headers.get("accept", JSON)
    if not wants_text(accept):
        return JSONResponse(shapes.metrics(done), headers=_VARIES)
    text, media_type = exposition(done, accept)
    return Response(text, media_type=media_type, headers=_VARIES)


@system.get("/config", response_model=dict[str, schemas.Setting], responses=problems())
async def get_config(settings: InForce) -> Shape:
    """The server's settings, each with where it came from. Secrets are left out."""
    return shapes.settings(settings.shown())


@system.get("/doctor", response_model=schemas.Checkup, responses=problems())
async def get_doctor(client: Serving, settings: InForce) -> Shape:
    """What is wrong or weakens durability, and what to do, as it looks from the server."""
    return shapes.checkup(await checkup.examine(client, settings))


@system.get(OPENAPI_PATH, include_in_schema=False)
async def get_openapi(request: Request) -> JSONResponse:
    """What the API says of itself."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)
