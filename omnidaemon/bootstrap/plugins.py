"""Finds adapters by their entry points, the built-in ones like those of other distributions, and imports the chosen one.

An alias is one more entry point for the same object.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, cast

import attrs

from omnidaemon.domain.errors import InvalidSetting, MissingExtra, UnknownBackend
from omnidaemon.ports.backend import BusFactory, StorageFactory

BackendKind = Literal["bus", "store"]

_GROUPS: dict[BackendKind, str] = {"bus": "omnidaemon.buses", "store": "omnidaemon.stores"}
_OURS = "omnidaemon"

PLANNED: dict[BackendKind, frozenset[str]] = {
    "bus": frozenset({"kafka", "nats", "rabbitmq", "postgres"}),
    "store": frozenset({"postgres", "mongodb"}),
}
"""Names that are documented and that nothing offers yet. One that is installed counts as installed, planned or not."""


@attrs.define(slots=False)
class NoSuchBackend(UnknownBackend):
    """As its parent, with where the name came from, as far as that is known."""

    origin: str | None = None

    def __str__(self) -> str:
        named = f"{self.name!r}{f' (from {self.origin})' if self.origin else ''}"
        installed = f"installed: {', '.join(self.known)}"
        if self.name in PLANNED[cast("BackendKind", self.kind)]:
            return f"the {self.kind} {named} is planned, not there yet; {installed}"
        meant = difflib.get_close_matches(self.name, self.known, n=1)
        return f"unknown {self.kind} {named}; {installed}{f'; did you mean {meant[0]}?' if meant else ''}"


def load_bus_factory(name: str, origin: str | None = None) -> BusFactory:
    """The factory of this bus. `UnknownBackend` for a name that nothing installed offers, `MissingExtra` when the
    adapter is there and what it is built on is not. `origin` is where the name came from."""
    return cast("BusFactory", _load("bus", name, origin))


def load_storage_factory(name: str, origin: str | None = None) -> StorageFactory:
    """The factory of this store; errors as for a bus."""
    return cast("StorageFactory", _load("store", name, origin))


def known(kind: BackendKind) -> tuple[str, ...]:
    """The names of all installed adapters of a kind, sorted. Imports none of them."""
    return tuple(sorted({entry.name for entry in entry_points(group=_GROUPS[kind])}))


def checked_backend(kind: BackendKind, name: str, origin: str | None = None) -> str:
    """The name, when something installed offers it; `UnknownBackend` otherwise."""
    if name not in (names := known(kind)):
        raise NoSuchBackend(kind, name, names, origin)
    return name


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
        raise NoSuchBackend(kind, name, tuple(sorted(found.names)), origin)
    if len(offers) > 1:
        owners = " and ".join(sorted(f"{entry.dist.name} ({value})" for value, entry in offers.items() if entry.dist))
        raise InvalidSetting(kind, name, f"a name that one installed package offers, not {owners}", "entry points")
    return next(iter(offers.values()))


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
