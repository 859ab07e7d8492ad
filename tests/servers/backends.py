"""Pairs of a bus and a store, as the environment that programs find them by."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.bootstrap.settings import Settings, load_settings
from tests.servers.redis_servers import forget

ON_REDIS = ("redis_stream", "redis_pubsub", "redis")


@attrs.frozen(kw_only=True)
class Backends:
    """All that differs for a program between one pair and another is `variables`."""

    bus: str
    store: str
    variables: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        """As a program reads them."""
        return load_settings(directory=Path(self.variables["OMNIDAEMON_DATA_DIR"]).parent, environ=self.variables)


def backends_in(folder: Path, bus: str, store: str, redis_url: str = "", **more: str) -> Backends:
    """A pair in this folder, and in a namespace of its own on the server."""
    variables = {
        "EVENT_BUS_TYPE": bus,
        "RESULT_STORE_TYPE": store,
        "OMNIDAEMON_DATA_DIR": str(folder / "data"),
        "OMNIDAEMON_NAMESPACE": f"test-{secrets.token_hex(6)}",
        "REDIS_URL": redis_url,
        **more,
    }
    return Backends(bus=bus, store=store, variables={name: value for name, value in variables.items() if value})


@contextmanager
def forgotten(backends: Backends) -> Iterator[Backends]:
    """The pair, of which nothing is left on the server afterwards."""
    try:
        yield backends
    finally:
        if "REDIS_URL" in backends.variables:
            forget(backends.variables["REDIS_URL"], f"{prefix(backends.variables['OMNIDAEMON_NAMESPACE'])}*")
