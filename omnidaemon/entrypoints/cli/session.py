"""One command's connection: a client over bus and store, opened when it is needed and closed with the command."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs

from omnidaemon.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from omnidaemon.bootstrap.settings import Settings
    from omnidaemon.entrypoints.client import Client


@attrs.define(slots=False)
class OutOfReach(ConfigurationError):
    """A bus that lives in one process is chosen, and this command is a process of its own."""

    bus: str
    origin: str

    def __str__(self) -> str:
        return (
            f"the bus {self.bus!r} (from {self.origin}) lives inside one process: what this command publishes would be "
            "lost when it exits; choose one that processes share, such as EVENT_BUS_TYPE=sqlite, or publish from the "
            "program that runs the agents"
        )


@attrs.frozen(kw_only=True)
class Session:
    """What a command works with. `settings` are for telling a person; all work goes through the client."""

    client: Client
    settings: Settings

    async def place(self) -> str:
        """Where it works, for a person; the data directory where one of the two keeps files in it."""
        runtime = await self.client.runtime()
        bus, store = runtime.bus.capabilities, runtime.storage.capabilities
        has_files = any(part.is_host_local and not part.is_process_local for part in (bus, store))
        return f"bus {bus.name}, store {store.name}{f', data in {self.settings.data_dir}' if has_files else ''}"

    async def check_reach(self) -> None:
        """Raise `OutOfReach` when what this process publishes can reach no other process."""
        bus = (await self.client.runtime()).bus.capabilities
        if bus.is_process_local:
            raise OutOfReach(bus.name, self.settings.origins.get("event_bus_type", "arguments"))


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[Session]:
    """A session by the settings of this process. Raises `ConfigurationError`; the client opens at its first call."""
    # The container brings every library with it, which `omni --help` shall not pay for.
    from omnidaemon.bootstrap.container import Container  # noqa: PLC0415
    from omnidaemon.bootstrap.settings import load_settings  # noqa: PLC0415
    from omnidaemon.entrypoints.client import Client  # noqa: PLC0415
    from omnidaemon.entrypoints.logs import configure_logs  # noqa: PLC0415

    settings = load_settings()
    configure_logs("DEBUG" if settings.log_level in {"DEBUG", "TRACE"} else "WARNING")
    client = Client(Container(settings=settings))
    try:
        yield Session(client=client, settings=settings)
    finally:
        await client.close()
