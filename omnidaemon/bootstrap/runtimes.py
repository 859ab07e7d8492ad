"""One opened runtime per event loop, made when a loop first needs one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from omnidaemon.bootstrap.runtime import Runtime


class Runtimes:
    """A program may use one SDK from several loops, one after the other or at once, as with repeated asyncio.run()."""

    def __init__(self, make: Callable[[], Runtime]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._opening: dict[asyncio.AbstractEventLoop, asyncio.Task[Runtime]] = {}
        self._lent: dict[asyncio.AbstractEventLoop, Runtime] = {}

    @contextlib.contextmanager
    def lent(self, runtime: Runtime) -> Iterator[None]:
        """Have the running loop use a runtime that somebody else has opened on it, and will close."""
        loop = asyncio.get_running_loop()
        self._lent[loop] = runtime
        try:
            yield
        finally:
            del self._lent[loop]

    def opened(self) -> Runtime | None:
        """The running loop's runtime, None where that has yet to be opened."""
        loop = asyncio.get_running_loop()
        if (lent := self._lent.get(loop)) is not None:
            return lent
        opening = self._opening.get(loop)
        return opening.result() if opening is not None and _is_opened(opening) else None

    async def current(self) -> Runtime:
        """The running loop's runtime, opened at the first call unless one was lent."""
        if (runtime := self.opened()) is not None:
            return runtime
        loop = asyncio.get_running_loop()
        with self._lock:
            opening = self._opening.get(loop)
            if opening is None:
                opening = self._opening[loop] = loop.create_task(self._open())
        try:
            # Shielded: whoever opened it first may be cancelled while others wait for the same runtime.
            return await asyncio.shield(opening)
        except BaseException:
            if opening.done() and (opening.cancelled() or opening.exception() is not None):
                self._opening.pop(loop, None)
            raise

    async def _open(self) -> Runtime:
        await self._close_abandoned()
        return await self._make().__aenter__()

    async def _close_abandoned(self) -> None:
        """Close what belonged to loops that ended without closing it."""
        with self._lock:
            abandoned = [self._opening.pop(loop) for loop in list(self._opening) if loop.is_closed()]
        for opening in abandoned:
            if _is_opened(opening):
                # Parts that are bound to the old loop cannot be closed any more; the rest is.
                with contextlib.suppress(RuntimeError):
                    await opening.result().__aexit__(None, None, None)

    async def close(self) -> None:
        """Close the running loop's runtime, unless it was lent; the next call opens another. Idempotent."""
        with self._lock:
            opening = self._opening.pop(asyncio.get_running_loop(), None)
        if opening is not None:
            await (await opening).__aexit__(None, None, None)


def _is_opened(opening: asyncio.Task[Runtime]) -> bool:
    return opening.done() and not opening.cancelled() and opening.exception() is None
