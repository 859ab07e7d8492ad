"""One command's connection: a client over bus and store, opened when it is needed and closed with the command."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from omnidaemon.bootstrap.settings import Settings
    from omnidaemon.entrypoints.client import Client


@attrs.frozen(kw_only=True)
class Session:
    """What a command works with. `settings` are for telling a person; all work goes through the client."""

    client: Client
    settings: Settings

    @property
    def place(self) -> str:
        """Where it works, for a person."""
        settings = self.settings
        return f"bus {settings.event_bus_type}, store {settings.result_store_type}, data in {settings.data_dir}"


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
