"""Serving the HTTP API: on the engine's loop while the SDK runs agents, else on the caller's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from omnidaemon.bootstrap.host_names import host_name
from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http.binding import ApiFailed, Listener, listen
from omnidaemon.entrypoints.http.streams import HANG_UP
from omnidaemon.ports.telemetry import Level

if TYPE_CHECKING:
    from omnidaemon.bootstrap.sidecars import Sidecar, Work
    from omnidaemon.entrypoints.sdk import OmniDaemonSDK

_GRACE_SECONDS = 1
_LONGEST_SHUTDOWN_SECONDS = 3.0


async def start_api_server(sdk: OmniDaemonSDK, host: str | None = None, port: int | None = None) -> None:
    """Serve the HTTP API until this is cancelled, or until the SDK's worker has left or has failed to start.

    While the SDK runs agents it is served from the engine's loop, whichever loop awaits this, so that an agent that
    blocks does not keep it from answering; before that from the caller's, from which it moves with sdk.start(): who
    asks in between is answered once the engine is there. `host` and `port` are those of the settings unless they are
    given. Raises `UnguardedAddress` for an address beyond loopback without keys, `AddressUnavailable`, `ApiFailed`."""
    settings = sdk.settings
    host, port = settings.api_host if host is None else host, settings.api_port if port is None else port
    listener = await _listening(host, port, has_keys=bool(settings.api_keys))
    try:
        with_engine = sdk.sidecars.hand_over(serving(sdk, listener))
        ended = asyncio.create_task(with_engine.wait())
        try:
            if sdk.worker is None and sdk.sidecars.awaits_engine:
                await _serve_before(sdk, with_engine, _Served(sdk, listener))
            await ended
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
    finally:
        listener.close()


async def _listening(host: str, port: int, *, has_keys: bool) -> Listener:
    """A listener, which looks names up, and so on a thread. Cancelled meanwhile, nothing keeps listening."""
    binding = asyncio.ensure_future(asyncio.to_thread(listen, host, port, has_keys=has_keys))
    try:
        return await asyncio.shield(binding)
    except asyncio.CancelledError:
        binding.add_done_callback(_let_go)
        raise


def _let_go(binding: asyncio.Future[Listener]) -> None:
    if not binding.cancelled() and binding.exception() is None:
        binding.result().close()


async def _serve_before(sdk: OmniDaemonSDK, with_engine: Sidecar, serve: Work) -> None:
    """Serve here until the SDK starts, on whichever loop. Whoever connects after that waits in the listener's queue."""
    serving_here, begun = asyncio.create_task(serve()), asyncio.create_task(with_engine.begun())
    try:
        with sdk.sidecars.until_start(serving_here):
            await asyncio.wait([serving_here, begun], return_when=asyncio.FIRST_COMPLETED)
            if serving_here.done() and not serving_here.cancelled():
                serving_here.result()
    finally:
        for task in (serving_here, begun):
            task.cancel()
        await asyncio.gather(serving_here, begun, return_exceptions=True)


def serving(sdk: OmniDaemonSDK, listener: Listener) -> Work:
    """What serves the API on this listener, on whichever loop it is awaited, until it is cancelled. Should it fail, it
    says so, closes the listener and raises `ApiFailed`."""
    sdk.container.telemetry().say(Level.INFO, f"API on {listener.url}")
    return _Served(sdk, listener)


class _Served:
    """The API, to be awaited once."""

    def __init__(self, sdk: OmniDaemonSDK, listener: Listener) -> None:
        self._listener = listener
        self._telemetry = sdk.container.telemetry()
        # Bound to every address, it has no name of its own.
        name = host_name(listener.host)
        self._app = create_app(sdk, hosts=[] if name is None else [name])

    async def __call__(self) -> None:
        # A copy, since the server closes what it was given.
        with self._listener.socket.dup() as bound:
            try:
                await _serve(self._app, bound)
                reason = "it has ended by itself"
            except Exception as error:  # noqa: BLE001 - the edge to the server: whoever runs this is told
                reason = f"{type(error).__name__}: {error}"
        # At once, and from here: a blocked loop may keep whoever waits from doing it.
        self._listener.close()
        failure = ApiFailed(reason)
        self._telemetry.say(Level.ERROR, str(failure))
        raise failure


async def _serve(app: FastAPI, bound: socket.socket) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            http=_Connection,
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
        # One that was accepted while the others were told to end has not heard of it, and would be answered from here
        # for as long as it is kept alive.
        for connection in list(server.server_state.connections):
            connection.transport.abort()


class _Connection(H11Protocol):
    """A connection that the application can end at once, whatever is still to be sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.app_state = {**self.app_state, HANG_UP: transport.abort}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that this is a part of."""
        yield
