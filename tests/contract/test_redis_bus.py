"""Both Redis buses under the suite, on a real server; "peer" has connections of its own, as in another process."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.testing.contracts import EventBusContract
from omnidaemon.testing.place import Place
from tests.servers.redis_servers import forget


class OnRedis(EventBusContract):
    codec = JsonCodec()
    clock = SystemClock()

    @pytest.fixture
    def place(self, tmp_path, server_url):
        place = Place(data_dir=tmp_path, clock=self.clock, codec=self.codec, options={"REDIS_URL": server_url})
        yield place
        forget(server_url, f"{prefix(place.namespace)}*")


class TestRedisStreamsBus(OnRedis):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_stream_bus(context)


class TestRedisPubsubBus(OnRedis):
    def make_bus(self, context: BackendContext) -> EventBus:
        return redis_pubsub_bus(context)
