"""One command's connection: what carries its work out, opened when it is needed and closed with the command."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Literal

import attrs

from omnidaemon.domain.errors import BackendError, ConfigurationError
from omnidaemon.entrypoints.cli.api_options import given
from omnidaemon.entrypoints.cli.options import WrongUse

if TYPE_CHECKING:
    from omnidaemon.app.queries import Health
    from omnidaemon.bootstrap.container import Container
    from omnidaemon.bootstrap.settings import Settings, Shown
    from omnidaemon.entrypoints.client import Client
    from omnidaemon.entrypoints.diagnosis import Finding
    from omnidaemon.entrypoints.http_client.client import HttpClient
    from omnidaemon.entrypoints.operations import Operations


Part = Literal["bus", "store"]
PARTS: tuple[Part, ...] = ("bus", "store")


@attrs.define(slots=False)
class OutOfReach(ConfigurationError):
    """A bus or a store that lives in one process is chosen, and this command is a process of its own."""

    kind: Part
    name: str
    origin: str

    def __str__(self) -> str:
        variable = "EVENT_BUS_TYPE" if self.kind == "bus" else "RESULT_STORE_TYPE"
        return (
            f"the {self.kind} {self.name!r} (from {self.origin}) lives inside one process, and this command is another "
            "one: it would find nothing there, and what it writes would be lost when it exits; choose one that "
            f"processes share, such as {variable}=sqlite, or ask the program that runs the agents, by its SDK or "
            "through its API (OMNIDAEMON_API_URL)"
        )


class Session(ABC):
    """What a command works with. All work goes through `client`; the rest is for telling a person."""

    client: Operations

    @abstractmethod
    async def place(self) -> str:
        """Where it works."""

    @abstractmethod
    async def health(self) -> Health:
        """Whether bus and store answer, also where they cannot even be opened."""

    @abstractmethod
    async def findings(self) -> list[Finding]:
        """What is wrong or weak there."""

    @abstractmethod
    async def settings(self) -> Sequence[Shown]:
        """The settings that are in force there."""


class DirectSession(Session):
    """On bus and store themselves, by the settings of this process."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = self._client = client
        self._settings = settings

    async def place(self) -> str:
        """As the runtime tells it."""
        return (await self._client.runtime()).place

    async def health(self) -> Health:
        """As it looks from here."""
        from omnidaemon.entrypoints import checkup

        return await checkup.health(self._client, self._settings)

    async def findings(self) -> list[Finding]:
        """As it looks from here."""
        from omnidaemon.entrypoints import checkup

        return await checkup.examine(self._client, self._settings)

    async def settings(self) -> Sequence[Shown]:
        """Those of this process."""
        return self._settings.shown()


class ApiSession(Session):
    """Wholly by the API of a server; nothing of this machine is opened or looked at."""

    def __init__(self, client: HttpClient, location: str) -> None:
        self.client = self._client = client
        self._location = location

    async def place(self) -> str:
        """The server's URL."""
        return f"API at {self._location}"

    async def health(self) -> Health:
        """As it looks from the server."""
        return await self._client.health()

    async def findings(self) -> list[Finding]:
        """As it looks from the server; that it cannot be reached is one."""
        from omnidaemon.entrypoints import diagnosis

        try:
            return await self._client.examine()
        except BackendError as error:
            return [diagnosis.broken("API", error)]

    async def settings(self) -> Sequence[Shown]:
        """The server's."""
        return await self._client.settings()


@contextlib.asynccontextmanager
async def session(needs: tuple[Part, ...] = ("store",)) -> AsyncIterator[Session]:
    """A session by what was given to the command and by the settings of this process: through an API where one is
    named, else direct. Raises `ConfigurationError`; nothing is opened before the first call.

    `needs` are the parts in which the command looks for the work of other processes, or leaves some for them;
    `OutOfReach` where none of it could be there. None of them for a command about the system as it is set, whatever is
    in it.
    """
    from omnidaemon.bootstrap.api_address import load_api_address

    address = load_api_address(given())
    if address is not None and "api_url" in given():
        address = attrs.evolve(address, origin="--api-url")
    async with contextlib.AsyncExitStack() as stack:
        if address is None:
            opened: Session = _direct(needs)
        else:
            from omnidaemon.entrypoints.http_client.client import HttpClient
            from omnidaemon.entrypoints.http_client.connection import ApiConnection

            connection = ApiConnection(address)
            opened = ApiSession(HttpClient(connection), connection.location)
        stack.push_async_callback(opened.client.close)
        yield opened


def container_of(namespace: str) -> Container:
    """What is set, for this namespace; nothing of it is open. `WrongUse` where an API is named, which might be one of
    elsewhere. `OutOfReach` as for a session."""
    from omnidaemon.bootstrap.api_address import load_api_address

    if (address := load_api_address(given())) is not None:
        raise WrongUse(f"this works on bus and store directly, and an API is named (from {address.origin})")
    settings = attrs.evolve(_settings(), namespace=namespace)
    container = _container(settings)
    _refuse_process_local(container, settings, PARTS)
    return container


def _direct(needs: tuple[Part, ...]) -> Session:
    from omnidaemon.entrypoints.client import Client

    settings = _settings()
    container = _container(settings)
    _refuse_process_local(container, settings, needs)
    return DirectSession(Client(container), settings)


def _settings() -> Settings:
    from omnidaemon.bootstrap.settings import load_settings
    from omnidaemon.entrypoints.logs import configure_logs

    settings = load_settings()
    configure_logs("DEBUG" if settings.log_level in {"DEBUG", "TRACE"} else "WARNING")
    return settings


def _container(settings: Settings) -> Container:
    # The container brings every library with it, which neither `omni --help` nor a client of the API shall pay for.
    from omnidaemon.bootstrap.container import Container

    return Container(settings=settings)


def _refuse_process_local(container: Container, settings: Settings, needs: tuple[Part, ...]) -> None:
    # Made, not opened, for what they say of themselves.
    if "bus" in needs and (bus := container.bus().capabilities).is_process_local:
        raise OutOfReach("bus", bus.name, _origin(settings, "event_bus_type"))
    if "store" in needs and (store := container.storage().capabilities).is_process_local:
        # A store that was not chosen is that of the bus.
        raise OutOfReach("store", store.name, _origin(settings, "result_store_type", "event_bus_type"))


def _origin(settings: Settings, *names: str) -> str:
    """Where the first of these settings comes from that somebody has given."""
    origins = [settings.origins.get(name, "default") for name in names]
    return next((origin for origin in origins if origin != "default"), "arguments")
