"""The same programs over each pair of a bus and a store: nothing differs for them but the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from omnidaemon import OmniDaemonSDK
from tests.servers.backends import ON_REDIS, Backends, backends_in, forgotten
from tests.servers.workshop import Workshop

EVERYWHERE = [("sqlite", "sqlite"), ("redis_stream", "redis"), ("redis_pubsub", "redis")]
DURABLE = [pair for pair in EVERYWHERE if pair[0] != "redis_pubsub"]


def over(pairs: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Have a test run over these pairs alone."""
    return pytest.mark.parametrize("backends", pairs, indirect=True, ids="-".join)


@pytest.fixture(params=EVERYWHERE, ids="-".join)
def backends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backends]:
    """A pair that nobody has used yet."""
    bus, store = request.param
    redis_url = request.getfixturevalue("redis_url") if {bus, store} & set(ON_REDIS) else ""
    with forgotten(backends_in(tmp_path, bus, store, redis_url)) as fresh:
        yield fresh


@pytest.fixture
def workshop(tmp_path: Path, backends: Backends) -> Iterator[Workshop]:
    """Workers over the pair."""
    shop = Workshop(tmp_path, backends)
    yield shop
    shop.close()


@pytest.fixture
async def client(backends: Backends) -> AsyncIterator[OmniDaemonSDK]:
    """A client in the test's own process, on the workers' backends."""
    sdk = OmniDaemonSDK(settings=backends.settings)
    yield sdk
    await sdk.close()
