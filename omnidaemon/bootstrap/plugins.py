"""Finds adapters by their entry points, the built-in ones like those of other distributions, and imports the chosen
one.

An alias is one more entry point for the same object.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, cast

from omnidaemon.domain.errors import InvalidSetting, MissingExtra, UnknownBackend
from omnidaemon.ports.backend import BusFactory, StorageFactory
from omnidaemon.ports.notifier import NotifierFactory

BackendKind = Literal["bus", "store", "notifier"]

_GROUPS: dict[BackendKind, str] = {
    "bus": "omnidaemon.buses",
    "store": "omnidaemon.stores",
    "notifier": "omnidaemon.notifiers",
}
_OURS = "omnidaemon"

PLANNED: dict[BackendKind, frozenset[str]] = {
    "bus": frozenset({"kafka", "nats", "rabbitmq", "postgres"}),
    "store": frozenset({"postgres", "mongodb"}),
    "notifier": frozenset(),
}
"""Names that are documented and that nothing offers yet. One that is installed counts as installed, planned or not."""


def load_bus_factory(name: str, origin: str | None = None) -> BusFactory:
    """The factory of this bus. `UnknownBackend` for a name that nothing installed offers, `MissingExtra` when the
    adapter is there and what it is built on is not. `origin` is where the name came from."""
    return cast("BusFactory", _load("bus", name, origin))


def load_storage_factory(name: str, origin: str | None = None) -> StorageFactory:
    """The factory of this store; errors as for a bus."""
    return cast("StorageFactory", _load("store", name, origin))


def load_notifier_factory(name: str, origin: str | None = None) -> NotifierFactory:
    """The factory of this notifier; errors as for a bus."""
    return cast("NotifierFactory", _load("notifier", name, origin))


def known(kind: BackendKind) -> tuple[str, ...]:
    """The names of all installed adapters of a kind, sorted. Imports none of them."""
    return tuple(sorted({entry.name for entry in entry_points(group=_GROUPS[kind])}))


def checked_backend(kind: BackendKind, name: str, origin: str | None = None) -> str:
    """The name, when something installed offers it; `UnknownBackend` otherwise."""
    if name not in (names := known(kind)):
        raise _unknown(kind, name, names, origin)
    return name


def is_own(kind: BackendKind, name: str) -> bool:
    """Whether it is an adapter of this distribution. False for a name that nothing installed offers."""
    offers = entry_points(group=_GROUPS[kind], name=name)
    return any(entry.dist is not None and entry.dist.name == _OURS for entry in offers)


def store_of_bus(bus: str) -> str | None:
    """The installed store of the bus's own technology: of its name, or of the name before an underscore, as `redis`
    for `redis_stream`. None when there is none."""
    stores = known("store")
    return next((name for name in (bus, bus.partition("_")[0]) if name in stores), None)


def _load(kind: BackendKind, name: str, origin: str | None) -> object:
    entry = _entry(kind, name, origin)
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        # An adapter that lacks a module of its own is broken, and no package mends it.
        if missing in ("", entry.module.partition(".")[0]):
            raise
        raise MissingExtra(kind, name, missing, _install_hint(entry)) from error


def _entry(kind: BackendKind, name: str, origin: str | None) -> EntryPoint:
    found = entry_points(group=_GROUPS[kind])  # asked once: it reads about every distribution that is installed
    # The same entry point may be found twice, in a checkout and in what was installed from it.
    offers = {entry.value: entry for entry in found.select(name=name)}
    if not offers:
        raise _unknown(kind, name, tuple(sorted(found.names)), origin)
    if len(offers) > 1:
        owners = " and ".join(sorted(f"{entry.dist.name} ({value})" for value, entry in offers.items() if entry.dist))
        raise InvalidSetting(kind, name, f"a name that one installed package offers, not {owners}", "entry points")
    return next(iter(offers.values()))


def _unknown(kind: BackendKind, name: str, installed: tuple[str, ...], origin: str | None) -> UnknownBackend:
    meant = difflib.get_close_matches(name, installed, n=1)
    return UnknownBackend(
        kind, name, installed, origin, suggestion=next(iter(meant), None), is_planned=name in PLANNED[kind]
    )


def _install_hint(entry: EntryPoint) -> str:
    distribution: Any = entry.dist
    if distribution is None:
        return f"install what {entry.value} needs"
    if distribution.name != _OURS:
        return f"pip install '{distribution.name}=={distribution.version}'"
    # Our adapters stand in a folder that is called like their extra. The version is named because an earlier project
    # of this name is on the public index.
    extra = entry.module.removeprefix("omnidaemon.adapters.").partition(".")[0]
    extras = distribution.metadata.get_all("Provides-Extra") or ()
    wanted = f"{_OURS}[{extra}]" if extra in extras else _OURS
    return f"pip install '{wanted}=={distribution.version}'"
