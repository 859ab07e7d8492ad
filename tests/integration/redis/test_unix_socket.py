"""A server that is reached by a socket of the file system."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.testing.contracts.opening import GREETER
from tests.servers.redis_servers import PrivateRedis, binary


@pytest.fixture
def socket_path(tmp_path):
    path = tmp_path / "redis.sock"
    server = PrivateRedis(binary(), tmp_path, "--unixsocket", str(path))
    server.start()
    yield path
    server.stop()


async def test_bus_and_store_work_over_it(place_of, socket_path):
    """Calls, waits for deliveries and the bell; what is shown is its path."""
    place = place_of(f"unix://{socket_path}?db=1")
    async with redis_stream_bus(place.context()) as bus, redis_storage(place.context()) as storage:
        assert bus.capabilities.location == f"unix://{socket_path}"
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await bus.declare({GREETER: Start.BACKLOG})
        await bus.publish_logged([place.task("t1")])
        inbox = await bus.subscribe([GREETER])
        (delivery,) = await inbox.receive({GREETER: 1}, wait_seconds=5)
        assert delivery.task.task_id == "t1"
        await inbox.ack([delivery])
        assert await inbox.receive({GREETER: 1}, wait_seconds=0.1) == []
        await inbox.close()
        assert list(await storage.queries.records(["t1"])) == ["t1"]


async def test_one_that_nobody_serves_is_unreachable(place_of, tmp_path):
    """As a port is, and told by its path alone."""
    place = place_of(f"unix://me:word@{tmp_path}/none.sock")
    with pytest.raises(BackendUnavailable) as caught:
        async with redis_storage(place.context()):
            pass
    assert caught.value.location == f"unix://{tmp_path}/none.sock"
    assert "word" not in str(caught.value)
