"""All suites of storage and buses, on a server as production runs it: for a user of few rights, over TLS, as one node
of a cluster of three."""

from __future__ import annotations

import attrs
import pytest
import redis

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts import (
    AckingRunStoreContract,
    EventBusContract,
    LoggingBusContract,
    StorageContract,
)
from omnidaemon.testing.contracts.opening import AdapterContract
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.place import Place
from tests.servers.redis_kinds import PASSWORD, cluster, documented_user, encrypted, self_signed
from tests.servers.redis_servers import PrivateRedis, binary


@pytest.fixture(scope="module")
def few_rights(tmp_path_factory):
    server = PrivateRedis(binary(), tmp_path_factory.mktemp("few-rights"))
    server.start()

    def url_of(namespace):
        with redis.Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", *_named(namespace, documented_user(namespace, has_buses=True)))
        return f"redis://{namespace}:{PASSWORD}@127.0.0.1:{server.port}/0"

    yield url_of
    server.stop()


def _named(namespace: str, words: list[str]) -> list[str]:
    """The page's words after `ACL SETUSER`, for a user called as the namespace."""
    return [namespace, *words[3:]]


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory):
    certificate = self_signed(tmp_path_factory.mktemp("certificate"))
    with encrypted(tmp_path_factory.mktemp("encrypted"), certificate) as url:
        yield lambda namespace: f"{url}?ssl_ca_certs={certificate[0]}"


@pytest.fixture(scope="module")
def of_three(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), 3) as nodes:
        yield lambda namespace: nodes.holder(namespace).url, nodes.is_whole


@pytest.fixture(params=["few_rights", "over_tls", "of_three"])
async def url_of(request):
    """Says where the data of a namespace are."""
    found = request.getfixturevalue(request.param)
    if request.param == "of_three":
        found, is_whole = found
        await eventually(is_whole, within_seconds=30)
    return found


class Elsewhere(AdapterContract):
    codec = JsonCodec()
    clock = SystemClock()

    @pytest.fixture
    def place(self, tmp_path, url_of):
        place = Place(data_dir=tmp_path, clock=self.clock, codec=self.codec)
        return attrs.evolve(place, options={"REDIS_URL": url_of(place.namespace)})


class TestStorage(Elsewhere, StorageContract):
    tells_endings = True
    walks = 1
    walk_steps = 20

    def make_storage(self, context: BackendContext) -> Storage:
        return redis_storage(context)


class TestStreams(Elsewhere, EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_stream_bus(context)


class Together(Elsewhere):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_stream_bus(context)

    def make_storage(self, context: BackendContext) -> Storage:
        return redis_storage(context)


class TestStreamsWithLog(Together, LoggingBusContract):
    pass


class TestStorageWithAcks(Together, AckingRunStoreContract):
    pass


class TestPubsub(Elsewhere, EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_pubsub_bus(context)
