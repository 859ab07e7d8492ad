"""The HTTP API on a background thread, for a process that runs no agents itself."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from omnidaemon.entrypoints.http.binding import ApiFailed, Listener
from omnidaemon.entrypoints.http.server import serving
from omnidaemon.entrypoints.sdk import OmniDaemonSDK

_LONGEST_END_SECONDS = 10.0


@contextlib.contextmanager
def served_in_background(
    sdk: OmniDaemonSDK, listener: Listener, on_failure: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Serve the API on a thread, from an SDK without agents, as long as the context lasts.

    `on_failure` is called on that thread when it cannot go on; the context's end raises `ApiFailed` then.
    """
    loop = asyncio.new_event_loop()
    serve = serving(sdk, listener)
    failures: list[ApiFailed] = []

    async def serve_and_close() -> None:
        try:
            await serve()
        finally:
            await sdk.close()

    task = loop.create_task(serve_and_close())

    def run() -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        except ApiFailed as error:
            failures.append(error)
            on_failure()
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="omnidaemon-api", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        thread.join(_LONGEST_END_SECONDS)
        listener.close()
    if failures:
        raise failures[0]
