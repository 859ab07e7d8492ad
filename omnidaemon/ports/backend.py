"""What an adapter is given when it is made, and the two factories that a plugin offers."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage

T = TypeVar("T")


class SharedObjects:
    """What the adapters of one container have in common, such as the one writer of a SQLite file."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}
        self._lock = threading.RLock()  # one object may be made of others

    def get(self, key: str, make: Callable[[], T]) -> T:
        """The object under this key, made at the first call. Callable from any thread, and from `make`."""
        with self._lock:
            if key not in self._objects:
                self._objects[key] = make()
            found: T = self._objects[key]
            return found


@attrs.frozen(kw_only=True)
class BackendContext:
    """Everything that a factory may use to make its adapter. Making one does no I/O; entering it does.

    `option(name)` is the text of a setting by its environment name, from wherever settings come, or None.
    """

    namespace: str
    data_dir: Path
    clock: Clock
    ids: IdSource
    codec: Codec
    shared: SharedObjects
    option: Callable[[str], str | None]


@attrs.frozen(kw_only=True)
class Weakness:
    """What a backend may lose by the way it is run, with what to do about it. `is_grave`: it must not stay so."""

    backend: str
    found: str
    advice: str
    is_grave: bool = False


class SelfExamination(ABC):
    """What a backend knows of how it is run; an optional second face of an `EventBus` or a `Storage`."""

    @abstractmethod
    async def weaknesses(self) -> Sequence[Weakness]:
        """What weakens its promise; empty when all is well. What it is not allowed to look at is a weakness too."""


class Erasable(ABC):
    """What a bus or a storage may offer beside its port: an end to all that it keeps."""

    def is_missing(self) -> bool:
        """Whether the place where it keeps things is not there, and opening it would make it. Asked before it is
        opened; a server is never missing so."""
        return False

    @abstractmethod
    async def erase(self) -> None:
        """Remove everything of this namespace, for good: what waits, runs, results, agents, history. Whoever else works
        there finds it gone. Nothing of another namespace is touched."""


BusFactory = Callable[[BackendContext], EventBus]
"""The object behind an entry point of the group `omnidaemon.buses`. Called once per event loop that needs the bus."""

StorageFactory = Callable[[BackendContext], Storage]
"""The object behind an entry point of the group `omnidaemon.stores`, likewise."""
