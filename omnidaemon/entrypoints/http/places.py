"""How many requests may wait in one server at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from omnidaemon.entrypoints.http.refusals import TooBusy


class Places:
    """Places for those who wait; on one loop."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """One of them, for as long as this lasts. Raises `TooBusy` when there is none."""
        if self._free <= 0:
            raise TooBusy
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
