"""How many requests may wait in one server at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from omnidaemon.entrypoints.http.request_errors import TooBusy


class WaitLimit:
    """A slot for each request that waits; of one event loop."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """A slot for as long as the context lasts. Raises `TooBusy` when none is free."""
        if self._free <= 0:
            raise TooBusy
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
