"""What names of hosts mean: looked up on threads of their own, for as long as a name server may take.

The loop's executor is no place for it: names that are slow would keep everything else from it, and it is waited for at
the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Final

_AT_ONCE: Final = 256
_LONGEST_SECONDS: Final = 5.0


class Lookups:
    """One thread for each, none of which keeps the process. A name that is not found in time is a name that is not
    found; its thread goes on until the resolver gives up, so there are more of them than are ever waited for."""

    def __init__(self, *, at_once: int = _AT_ONCE, longest_seconds: float = _LONGEST_SECONDS) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._longest_seconds = longest_seconds

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of the host, in the resolver's order. Raises `OSError` or `UnicodeError` when there are none.
        Waiting for one's turn is not counted as the name's own slowness."""
        await self._free.acquire()
        found: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        try:
            threading.Thread(
                target=self._look_up, args=(host, port, found), name="omnidaemon-lookup", daemon=True
            ).start()
        except RuntimeError as error:  # no thread is left on this machine
            self._free.release()
            raise OSError(str(error)) from error
        try:
            async with asyncio.timeout(self._longest_seconds):
                return await found
        except TimeoutError:
            raise socket.gaierror(
                socket.EAI_AGAIN, f"{host} was not found within {self._longest_seconds:g} s"
            ) from None

    def _look_up(self, host: str, port: int, found: asyncio.Future[list[str]]) -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            failure = error

        def tell() -> None:
            self._free.release()
            if found.done():  # nobody waits any more
                return
            found.set_result(addresses) if failure is None else found.set_exception(failure)

        with contextlib.suppress(RuntimeError):  # the loop is closed
            found.get_loop().call_soon_threadsafe(tell)
