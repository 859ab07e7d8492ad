"""Putting other parts into a container, for good or for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from omnidaemon.bootstrap.container import Container
from omnidaemon.bootstrap.injection import providers
from omnidaemon.bootstrap.settings import Settings
from omnidaemon.ports.backend import BusFactory, StorageFactory
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.notifier import NotifierFactory


def container_with(
    settings: Settings, bus_factory: BusFactory | None = None, storage_factory: StorageFactory | None = None
) -> Container:
    """A container of these settings, with the factories given in place of those that the settings name."""
    container = Container(settings=settings)
    if bus_factory is not None:
        container.bus_factory.override(providers.Object(bus_factory))
    if storage_factory is not None:
        container.storage_factory.override(providers.Object(storage_factory))
    return container


@contextlib.contextmanager
def replaced(
    container: Container,
    *,
    clock: Clock,
    bus_factory: BusFactory,
    storage_factory: StorageFactory,
    notifier_factory: NotifierFactory,
) -> Iterator[None]:
    """While this lasts, what the container makes is made of these; nothing that it had made before is used."""
    parts: dict[providers.Provider[Any], object] = {
        container.clock: clock,
        container.bus_factory: bus_factory,
        container.storage_factory: storage_factory,
        container.notifier_factory: notifier_factory,
    }
    for provider, part in parts.items():
        provider.override(providers.Object(part))
    container.reset_singletons()
    try:
        yield
    finally:
        for provider in parts:
            provider.reset_last_overriding()
        container.reset_singletons()
