"""Both Redis buses under their suites, on a real server; "peer" has connections of its own, as in another process."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts import (
    AckingRunStoreContract,
    ErasableContract,
    EventBusContract,
    LoggingBusContract,
)
from omnidaemon.testing.contracts.opening import AdapterContract
from omnidaemon.testing.place import Place
from tests.servers.redis_servers import forget


class OnRedis(AdapterContract):
    codec = JsonCodec()
    clock = SystemClock()

    @pytest.fixture
    def place(self, tmp_path, server_url):
        place = Place(data_dir=tmp_path, clock=self.clock, codec=self.codec, options={"REDIS_URL": server_url})
        yield place
        forget(server_url, f"{prefix(place.namespace)}*")


class TestRedisStreamsBus(OnRedis, EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_stream_bus(context)


class OnOneRedis(OnRedis):
    """Both on one server, in one namespace."""

    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_stream_bus(context)

    def make_storage(self, context: BackendContext) -> Storage:
        return redis_storage(context)


class TestRedisStreamsBusWithLog(OnOneRedis, LoggingBusContract):
    pass


class TestRedisStorageWithAcks(OnOneRedis, AckingRunStoreContract):
    pass


class TestRedisErasure(OnOneRedis, ErasableContract):
    pass


class TestRedisPubsubBus(OnRedis, EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_pubsub_bus(context)
