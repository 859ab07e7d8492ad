"""Which key may do what: every route, and the scope that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from starlette.routing import compile_path

from omnidaemon.bootstrap.api_keys import Scope

PUBLIC = None
"""For probes: they say that the process lives or can work, and nothing else."""

SCOPES: Mapping[tuple[str, str], Scope | None] = MappingProxyType(
    {
        ("GET", "/livez"): PUBLIC,
        ("GET", "/readyz"): PUBLIC,
        ("GET", "/"): Scope.READ,
        ("GET", "/health"): Scope.READ,
        ("GET", "/metrics"): Scope.READ,
        ("GET", "/openapi.json"): Scope.READ,
        ("GET", "/config"): Scope.ADMIN,
        ("GET", "/doctor"): Scope.ADMIN,
        ("GET", "/agents"): Scope.READ,
        ("POST", "/agents/start"): Scope.CONTROL,
        ("POST", "/agents/stop"): Scope.CONTROL,
        ("GET", "/agents/{topic}/{name}"): Scope.READ,
        ("DELETE", "/agents/{topic}/{name}"): Scope.ADMIN,
        ("POST", "/agents/{topic}/{name}/start"): Scope.CONTROL,
        ("POST", "/agents/{topic}/{name}/stop"): Scope.CONTROL,
        ("GET", "/workers"): Scope.READ,
        ("POST", "/workers/drain"): Scope.ADMIN,
        ("POST", "/workers/{worker_id}/drain"): Scope.ADMIN,
        ("GET", "/topics"): Scope.READ,
        ("POST", "/topics/{topic}/purge"): Scope.ADMIN,
        ("GET", "/webhooks"): Scope.READ,
        ("POST", "/webhooks/{webhook_id}/redeliver"): Scope.CONTROL,
        ("GET", "/events"): Scope.READ,
        ("POST", "/tasks"): Scope.PUBLISH,
        ("GET", "/tasks"): Scope.READ,
        ("GET", "/tasks/{task_id}"): Scope.READ,
        ("GET", "/tasks/{task_id}/details"): Scope.READ,
        ("GET", "/tasks/{task_id}/events"): Scope.READ,
        ("POST", "/tasks/{task_id}/cancel"): Scope.CONTROL,
        ("POST", "/tasks/{task_id}/requeue"): Scope.CONTROL,
        ("DELETE", "/tasks/{task_id}"): Scope.ADMIN,
        ("GET", "/dead-letters"): Scope.READ,
        ("POST", "/dead-letters/requeue"): Scope.CONTROL,
        ("POST", "/dead-letters/purge"): Scope.ADMIN,
    }
)

_PATTERNS = {path: compile_path(path)[0] for _, path in SCOPES}


_WITHOUT_END = ("/events", "/tasks/{task_id}/events")


def has_head(path: str) -> bool:
    """Whether HEAD is answered wherever GET is; not for a stream, which would be opened and never end."""
    return not any(_PATTERNS[template].match(path) for template in _WITHOUT_END)


def methods_of(path: str) -> list[str]:
    """All methods that this path has, over every route that it fits."""
    methods = {method for method, template in SCOPES if _PATTERNS[template].match(path)}
    return sorted(methods | {"HEAD"} if "GET" in methods and has_head(path) else methods)
