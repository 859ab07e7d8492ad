"""Serving the HTTP API: on the engine's loop where the SDK runs agents, else on the caller's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http.binding import Listener, listen
from omnidaemon.ports.telemetry import Level

if TYPE_CHECKING:
    from omnidaemon.bootstrap.beside import Work
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

_GRACE_SECONDS = 1
_LONGEST_SHUTDOWN_SECONDS = 3.0


async def start_api_server(sdk: OmniDaemonSDK, host: str | None = None, port: int | None = None) -> None:
    """Serve the HTTP API until this is cancelled, or until the SDK's worker has left.

    Where the SDK runs agents it is served from the engine's loop, whichever loop awaits this, so that an agent that
    blocks does not keep it from answering; else from the caller's. `host` and `port` are those of the settings unless
    they are given. Raises `UnguardedAddress` for an address beyond loopback without keys, `AddressUnavailable`.
    """
    settings = sdk.settings
    host, port = settings.api_host if host is None else host, settings.api_port if port is None else port
    listener = await asyncio.to_thread(listen, host, port, has_keys=bool(settings.api_keys))
    try:
        serve = serving(sdk, listener)
        await (serve() if sdk.worker is None else sdk.beside.hand_over(serve).wait())
    finally:
        listener.close()


def serving(sdk: OmniDaemonSDK, listener: Listener) -> Work:
    """What serves the API on this listener, on whichever loop it is awaited, until it is cancelled."""
    app = create_app(sdk, hosts=[listener.host])
    sdk.container.telemetry().say(Level.INFO, f"API on {listener.url}")
    return partial(_serve, app, listener.socket)


async def _serve(app: FastAPI, bound: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # a bug is logged by the application, and the rest is for nobody
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    answering = asyncio.create_task(server.serve(sockets=[bound]), name="omnidaemon-api")
    try:
        await asyncio.shield(answering)
    except asyncio.CancelledError:
        app.state.streams.close()
        server.should_exit = True
        await asyncio.wait([answering], timeout=_LONGEST_SHUTDOWN_SECONDS)
        raise
    finally:
        left = [answering, *server.server_state.tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that this is a part of."""
        yield
