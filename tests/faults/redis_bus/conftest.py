"""A server of one's own for each test, with places on it."""

from __future__ import annotations

import signal

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.system import SystemClock
from omnidaemon.testing.place import Place
from tests.servers.redis_servers import PrivateRedis, binary


@pytest.fixture
def server(tmp_path):
    """It keeps nothing, and may be flushed, frozen and killed."""
    server = PrivateRedis(binary(), tmp_path)
    server.start()
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def place(server, tmp_path):
    return place_on(server, tmp_path)


def place_on(server, folder):
    return Place(data_dir=folder, clock=SystemClock(), codec=JsonCodec(), options={"REDIS_URL": server.url})
