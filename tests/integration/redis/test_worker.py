"""A worker over Redis, embedded in the test's own loop: a plain server, an encrypted one, a node of a cluster."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import attrs
import pytest
import redis

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.errors import BackendUnusable
from omnidaemon.event_bus import RedisPubsubEventBus, RedisStreamsEventBus
from omnidaemon.testing.patience import eventually
from tests.integration.redis.program import assert_it_runs
from tests.servers.redis_servers import PrivateRedis, binary, free_port

both_buses = pytest.mark.parametrize("bus", [RedisStreamsEventBus, RedisPubsubEventBus])


@both_buses
async def test_tasks_pass_through_from_publish_to_result(private_redis, bus):
    await assert_it_runs(bus, private_redis.url)


# --- encrypted --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One that has signed itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "own-ca.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def encrypted_url(tmp_path_factory, certificate):
    """Where a server answers that knows TLS."""
    ca, key = map(str, certificate)
    port, folder = free_port(), tmp_path_factory.mktemp("encrypted")
    options = ("--tls-cert-file", ca, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no")
    if not _goes_on(binary(), "--port", "0", "--tls-port", str(port), "--dir", str(folder), *options):
        pytest.skip(f"{binary()} was built without TLS")
    server = PrivateRedis(binary(), folder, "--tls-port", str(port), *options)
    server.start()
    yield f"rediss://127.0.0.1:{port}/0"
    server.stop(signal.SIGKILL)


def _goes_on(*command):
    try:
        subprocess.run(command, timeout=1, stdout=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return True
    return False


@both_buses
async def test_over_tls(encrypted_url, certificate, bus):
    await assert_it_runs(bus, f"{encrypted_url}?ssl_ca_certs={certificate[0]}")


async def test_a_certificate_of_an_unknown_authority_is_refused(encrypted_url, place_of):
    """Not as a server that is away: waiting mends nothing."""
    with pytest.raises(BackendUnusable, match=r"(?i)certificate"):
        await redis_storage(place_of(encrypted_url).context()).__aenter__()


# --- a cluster --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """Two nodes, each with half of the slots."""
    nodes = []
    for number, slots in enumerate(((0, 8191), (8192, 16383))):
        folder = tmp_path / f"node-{number}"
        folder.mkdir()
        node = PrivateRedis(binary(), folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
        node.start()
        nodes.append(node)
        with redis.Redis.from_url(node.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
    with redis.Redis.from_url(nodes[0].url) as client:
        (bus_port,) = client.config_get("cluster-port").values() or (nodes[0].port + 10000,)
    with redis.Redis.from_url(nodes[1].url) as client:
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, bus_port)
    yield nodes
    for node in nodes:
        node.stop(signal.SIGKILL)


async def is_whole(nodes):
    def state(node):
        with contextlib.closing(redis.Redis.from_url(node.url)) as client:
            return client.cluster("INFO")["cluster_state"], client.cluster("INFO")["cluster_known_nodes"]

    return {state(node) for node in nodes} == {("ok", "2")}


@both_buses
async def test_on_the_node_of_a_cluster_that_holds_the_namespace(cluster, place_of, bus):
    """All keys of a namespace lie in one slot. The other node refuses, and says why."""
    await eventually(lambda: is_whole(cluster), within_seconds=30)
    with redis.Redis.from_url(cluster[0].url) as client:
        slot = client.cluster("KEYSLOT", "{omni}")
    mine, other = cluster if slot <= 8191 else reversed(cluster)
    await assert_it_runs(bus, mine.url, namespace="omni")
    with pytest.raises(BackendUnusable, match="REDIS_URL must lead to the one that does"):
        await redis_storage(attrs.evolve(place_of(other.url).context(), namespace="omni")).__aenter__()
