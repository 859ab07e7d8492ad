"""The Redis storage under every suite, on a real server; "peer" has connections of its own, as in another process."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.keys import prefix
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts import StorageContract
from omnidaemon.testing.place import Place
from tests.servers.redis_servers import forget


class TestRedisStorage(StorageContract):
    codec = JsonCodec()
    clock = SystemClock()
    tells_endings = True

    # Time passes in earnest here, and a step that passes some takes a second. The full length is the memory storage's.
    walks = 4
    walk_steps = 20

    @pytest.fixture
    def place(self, tmp_path, server_url):
        place = Place(data_dir=tmp_path, clock=self.clock, codec=self.codec, options={"REDIS_URL": server_url})
        yield place
        forget(server_url, f"{prefix(place.namespace)}*")

    def make_storage(self, context: BackendContext) -> Storage:
        return redis_storage(context)
