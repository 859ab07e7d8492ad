"""A bus, a storage or a notifier under fire: another one's, with a failpoint before and after every call. The
product knows nothing of it."""

from __future__ import annotations

import asyncio
import inspect
import time
from abc import ABC
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from omnidaemon.ports.backend import BackendContext, BusFactory, StorageFactory
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.notifier import Notifier, NotifierContext, NotifierFactory
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.chaos.plan import Plan, plan_of_this_process
from omnidaemon.testing.chaos.points import Side, methods, ports

Port = TypeVar("Port", bound=ABC)


def bus_under_fire(factory: BusFactory) -> BusFactory:
    """A factory of the same buses, under what the environment orders: `OmniDaemonSDK(event_bus=bus_under_fire(…))`."""

    def make(context: BackendContext) -> EventBus:
        return under_fire(factory(context), plan_of_this_process())

    return make


def storage_under_fire(factory: StorageFactory) -> StorageFactory:
    """A factory of the same storages, likewise."""

    def make(context: BackendContext) -> Storage:
        return under_fire(factory(context), plan_of_this_process())

    return make


def notifier_under_fire(factory: NotifierFactory) -> NotifierFactory:
    """A factory of the same notifiers, likewise: `sdk.container.notifier_factory.override(…)`."""

    def make(context: NotifierContext) -> Notifier:
        return under_fire(factory(context), plan_of_this_process())

    return make


def under_fire(target: Port, plan: Plan) -> Port:
    """The target itself when nothing is ordered, else one that does as it does and passes each call by the plan."""
    return cast("Port", _wrapped(target, plan)) if plan.has_any() else target


def _wrapped(value: Any, plan: Plan) -> Any:
    faces = tuple(port for port in ports() if isinstance(value, port))
    return _class_of(faces)(value, plan) if faces else value


class _UnderFire:
    """What all of them share: the one behind it, whose other attributes are its own."""

    def __init__(self, target: Any, plan: Plan) -> None:
        self._target = target
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        return _wrapped(getattr(self._target, name), self._plan)

    async def __aenter__(self) -> Any:
        await self._target.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._target.__aexit__(*raised)


@cache
def _class_of(faces: tuple[type[ABC], ...]) -> Callable[[Any, Plan], Any]:
    """A class with the methods of these ports, each passing its points."""
    written = {
        name: _call_of(face.__name__, name, is_async=inspect.iscoroutinefunction(getattr(face, name)))
        for face in faces
        for name in methods(face)
    }
    names = "".join(face.__name__ for face in faces)
    return type(f"{names}UnderFire", (_UnderFire, *faces), written)


def _call_of(port: str, name: str, *, is_async: bool) -> Callable[..., Any]:
    async def call(self: _UnderFire, *args: Any, **options: Any) -> Any:
        await asyncio.sleep(self._plan.passes(Side.BEFORE, port, name))
        began = time.monotonic()
        answer = await getattr(self._target, name)(*args, **options)
        await asyncio.sleep(self._plan.passes(Side.AFTER, port, name, time.monotonic() - began))
        return _wrapped(answer, self._plan)

    def call_now(self: _UnderFire, *args: Any, **options: Any) -> Any:
        time.sleep(self._plan.passes(Side.BEFORE, port, name))
        answer = getattr(self._target, name)(*args, **options)
        time.sleep(self._plan.passes(Side.AFTER, port, name))
        return _wrapped(answer, self._plan)

    return call if is_async else call_now
