"""The pairs of bus and store that the suite is run on, each with servers of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path

import apsw
import attrs

from omnidaemon import OmniDaemonSDK
from omnidaemon.adapters.redis import RedisResultStore
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.testing.chaos.proxy import TcpProxy
from omnidaemon.testing.chaos.servers import PrivateRedis
from omnidaemon.testing.chaos.stage import Backend
from tests.chaos import queries
from tests.servers.redis_servers import binary

_PROGRAM = (sys.executable, str(Path(__file__).with_name("program.py")))
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@attrs.frozen(kw_only=True)
class Pair:
    """A bus and a store by the names of their settings."""

    bus: str
    store: str
    is_lossy: bool = False

    @property
    def name(self) -> str:
        """As the matrix shows it."""
        return f"{self.bus}+{self.store}"

    @property
    def needs_redis(self) -> bool:
        """Whether it needs a server."""
        return "redis" in self.name


PAIRS: Mapping[str, Pair] = {
    pair.name: pair
    for pair in (
        Pair(bus="sqlite", store="sqlite"),
        Pair(bus="redis_stream", store="redis"),
        Pair(bus="sqlite", store="redis"),
        Pair(bus="redis_stream", store="sqlite"),
        Pair(bus="redis_pubsub", store="redis", is_lossy=True),
        Pair(bus="memory", store="memory", is_lossy=True),
    )
}


@contextlib.asynccontextmanager
async def backend(
    pair: Pair, folder: Path, *, two_servers: bool = False, cables: int = 0, seed: int = 0
) -> AsyncIterator[Backend]:
    """The pair in this folder. With `two_servers` the store is on a server of its own; with one cable all lies behind
    one proxy, with two the bus behind the first, the store behind the second."""
    async with contextlib.AsyncExitStack() as stack:
        servers: list[PrivateRedis] = []
        if pair.needs_redis:
            for number in range(2 if two_servers else 1):
                home = folder / f"redis-{number}"
                home.mkdir(parents=True)
                server = PrivateRedis(binary(), home, *_DURABLE)
                server.start()
                stack.callback(server.stop, signal.SIGKILL)
                servers.append(server)
        urls = [server.url for server in servers]
        proxies: list[TcpProxy] = []
        for number in range(cables):
            target = servers[min(number, len(servers) - 1)].port
            proxies.append(await stack.enter_async_context(TcpProxy(target, seed=seed + number)))
        bus_url = f"redis://127.0.0.1:{proxies[0].port}/0" if proxies else urls[0] if urls else ""
        store_url = f"redis://127.0.0.1:{proxies[1].port}/0" if len(proxies) > 1 else urls[1] if len(urls) > 1 else ""
        yield Backend(
            name=pair.name,
            program=_PROGRAM,
            environment=_environment(pair, folder, bus_url, store_url),
            make_client=_maker(pair, folder, urls),
            is_lossy=pair.is_lossy,
            is_file="sqlite" in pair.name,
            server=servers[0] if servers else None,
            store_server=servers[-1] if servers else None,
            cables=proxies,
            check=partial(_check_file, folder / "data") if "sqlite" in pair.name else None,
            counts=partial(queries.held, folder / "data" if "sqlite" in pair.name else None, urls[0] if urls else None),
            queries=partial(
                queries.asked, folder / "data" if "sqlite" in pair.name else None, urls[-1] if urls else None
            ),
        )


def _environment(pair: Pair, folder: Path, bus_url: str, store_url: str) -> dict[str, str]:
    return {
        "EVENT_BUS_TYPE": pair.bus,
        "RESULT_STORE_TYPE": pair.store,
        "OMNIDAEMON_ALLOW_MISMATCH": "true",
        "OMNIDAEMON_DATA_DIR": str(folder / "data"),
        **({"REDIS_URL": bus_url} if bus_url else {}),
        **({"CHAOS_STORE_URL": store_url} if store_url else {}),
    }


def _check_file(folder: Path) -> None:
    (path,) = folder.glob("*.db")
    with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchall()
    assert answer == [("ok",)], answer


def _maker(pair: Pair, folder: Path, urls: list[str]) -> Callable[[], OmniDaemonSDK]:
    """The test's own SDK speaks with the servers themselves, not through the proxies."""

    def make() -> OmniDaemonSDK:
        settings = load_settings(
            {
                "event_bus_type": pair.bus,
                "result_store_type": pair.store,
                "allow_mismatch": True,
                "data_dir": folder / "data",
            },
            environ={**os.environ, **({"REDIS_URL": urls[0]} if urls else {})},
        )
        store = RedisResultStore(redis_url=urls[1]) if len(urls) > 1 else None
        return OmniDaemonSDK(settings=settings, result_store=store)

    return make
