"""HEAD: what GET answers, without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnidaemon.entrypoints.http.scopes import has_head


class HeadAsGet:
    """Middleware: has each route that answers GET answer HEAD too, as RFC 9110 wants it (9.1, 9.3.2). Load balancers
    probe by it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on as GET, and leave out what the body would be."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not has_head(_path(scope)):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
