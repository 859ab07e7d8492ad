"""A worker over Redis, embedded in the test's own loop: a plain server, an encrypted one, a node of a cluster."""

from __future__ import annotations

import attrs
import pytest

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.errors import BackendUnusable
from omnidaemon.event_bus import RedisPubsubEventBus, RedisStreamsEventBus
from omnidaemon.testing.patience import eventually
from tests.integration.redis.program import assert_it_runs
from tests.servers.redis_kinds import cluster, encrypted, self_signed

both_buses = pytest.mark.parametrize("bus", [RedisStreamsEventBus, RedisPubsubEventBus])


@both_buses
async def test_tasks_pass_through_from_publish_to_result(private_redis, bus):
    await assert_it_runs(bus, private_redis.url)


# --- encrypted --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def encrypted_url(tmp_path_factory, certificate):
    with encrypted(tmp_path_factory.mktemp("encrypted"), certificate) as url:
        yield url


@both_buses
async def test_over_tls(encrypted_url, certificate, bus):
    await assert_it_runs(bus, f"{encrypted_url}?ssl_ca_certs={certificate[0]}")


async def test_a_certificate_of_an_unknown_authority_is_refused(encrypted_url, place_of):
    """Not as a server that is away: waiting mends nothing."""
    with pytest.raises(BackendUnusable, match=r"(?i)certificate"):
        await redis_storage(place_of(encrypted_url).context()).__aenter__()


# --- a cluster --------------------------------------------------------------------------------------------------------


@both_buses
async def test_on_the_node_of_a_cluster_that_holds_the_namespace(tmp_path, place_of, bus):
    """All keys of a namespace lie in one slot. The other node refuses, and says why."""
    with cluster(tmp_path, 2) as both:
        await eventually(both.is_whole, within_seconds=30)
        mine = both.holder("omni")
        (other,) = (node for node in both.nodes if node is not mine)
        await assert_it_runs(bus, mine.url, namespace="omni")
        with pytest.raises(BackendUnusable, match="REDIS_URL must lead to the one that does"):
            await redis_storage(attrs.evolve(place_of(other.url).context(), namespace="omni")).__aenter__()
