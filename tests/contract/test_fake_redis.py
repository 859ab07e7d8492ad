"""fakeredis as a second parameter of the Redis suites: another reading of the same commands, beside the real servers.

Its gaps, of version 2.40, with what is made of each:

- INFO and CONFIG: unknown. Left out; nothing here rests on what they tell.
- An error ends the connection to its TCP server, also the NOSCRIPT that every script begins with. Mended below.
- Streams: a read that waits is woken neither by an XADD within a script nor by CLIENT UNBLOCK, so each lasts its whole
  time; XGROUP CREATE of a group that exists answers what no client can read; XPENDING sums up other consumers than a
  server does. So the Streams bus is judged by real servers alone.
"""

from __future__ import annotations

import threading

import pytest
from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import ResponseError

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.adapters.system import SystemClock
from omnidaemon.ports.backend import BackendContext
from omnidaemon.ports.bus import EventBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.contracts import EventBusContract, StorageContract
from omnidaemon.testing.contracts.opening import AdapterContract
from omnidaemon.testing.place import Place


class AnsweringErrors(TCPFakeRequestHandler):
    """Goes on after an error, as a server does; fakeredis hangs up."""

    def setup(self):
        super().setup()
        read = self.current_client.read_response

        def read_or_error(*args, **kwargs):
            try:
                return read(*args, **kwargs)
            except ResponseError as error:
                return error

        self.current_client.read_response = read_or_error  # type: ignore[method-assign]  # nobody asks for another


async def no_info(section):
    """What it would tell, the eviction policy, no fake has."""
    return {}


@pytest.fixture(scope="module")
def fake_url():
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.RequestHandlerClass = AnsweringErrors
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    server.shutdown()
    thread.join(10)
    server.server_close()


class OnFake(AdapterContract):
    codec = JsonCodec()
    clock = SystemClock()

    @pytest.fixture
    def place(self, tmp_path, fake_url):
        return Place(data_dir=tmp_path, clock=self.clock, codec=self.codec, options={"REDIS_URL": fake_url})


class TestFakeRedisStorage(OnFake, StorageContract):
    tells_endings = True
    walks = 1
    walk_steps = 10

    def make_storage(self, context: BackendContext) -> Storage:
        storage = redis_storage(context)
        storage._space.connection.info = no_info  # type: ignore[method-assign]  # see above
        return storage


class TestFakeRedisPubsubBus(OnFake, EventBusContract):
    def make_bus(self, context: BackendContext) -> EventBus:
        bus = redis_pubsub_bus(context)
        bus._server.info = no_info  # type: ignore[method-assign]  # see above
        return bus
