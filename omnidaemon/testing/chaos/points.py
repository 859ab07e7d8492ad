"""The failpoints: one before and one after each call on a port, derived from the ports themselves."""

from __future__ import annotations

import inspect
import typing
from abc import ABC
from collections.abc import Iterator
from enum import StrEnum
from functools import cache

import attrs

from omnidaemon.ports.bus import AckableInbox, BusInspector, EventBus, LoggingBus
from omnidaemon.ports.notifier import Notifier
from omnidaemon.ports.run_store import AckingRunStore
from omnidaemon.ports.storage import Storage


class Side(StrEnum):
    """Of a call: nothing of it was done yet, or all of it was and its answer has not arrived."""

    BEFORE = "before"
    AFTER = "after"


@attrs.frozen(kw_only=True, order=True)
class Failpoint:
    """A place between two calls on the outside, such as `after:RunStore.begin`."""

    side: Side
    port: str
    method: str

    def __str__(self) -> str:
        return f"{self.side}:{self.port}.{self.method}"


@cache
def ports() -> tuple[type[ABC], ...]:
    """Every port behind which a bus, a storage or a notifier does its work: those three, what a storage consists of,
    and what their methods give out, such as an inbox. A port that is added to a storage is found here by itself."""
    found: list[type[ABC]] = []
    faces: list[type[ABC]] = [LoggingBus, AckableInbox, AckingRunStore, BusInspector]
    waiting: list[type[ABC]] = [EventBus, Storage, Notifier, *faces]
    while waiting:
        port = waiting.pop(0)
        if port in found:
            continue
        found.append(port)
        waiting += [kind for kind in _kinds_in(port) if _is_port(kind)]
    return tuple(found)


def methods(port: type[ABC]) -> tuple[str, ...]:
    """The calls of a port: what its adapters have to write, but for opening and closing."""
    return tuple(sorted(name for name in port.__abstractmethods__ if not name.startswith("__")))


def failpoints() -> tuple[Failpoint, ...]:
    """All of them, sorted."""
    return tuple(
        sorted(
            Failpoint(side=side, port=port.__name__, method=method)
            for port in ports()
            for method in methods(port)
            for side in Side
        )
    )


def _kinds_in(port: type[ABC]) -> Iterator[type]:
    """What a port's attributes and the answers of its methods are."""
    yield from typing.get_type_hints(port).values()
    for name in methods(port):
        answer = typing.get_type_hints(getattr(port, name)).get("return")
        if isinstance(answer, type):
            yield answer


def _is_port(kind: object) -> typing.TypeGuard[type[ABC]]:
    return inspect.isclass(kind) and inspect.isabstract(kind) and kind.__module__.startswith("omnidaemon.ports.")
