"""What the adapters of one container share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedObjects:
    """A keyed collection, filled on demand. Implements `ports.backend.Shared`."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}
        self._lock = threading.RLock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The object under this key, made at the first call."""
        with self._lock:
            if key not in self._objects:
                self._objects[key] = make()
            found: T = self._objects[key]
            return found
