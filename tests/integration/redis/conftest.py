"""Storages on a server of the test's own."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.system import SystemClock
from omnidaemon.testing.place import Place


@pytest.fixture
def place_of(tmp_path):
    """A place on the server of this address."""
    return lambda url: Place(data_dir=tmp_path, clock=SystemClock(), codec=JsonCodec(), options={"REDIS_URL": url})


@pytest.fixture
def place(private_redis, place_of):
    """A place on the test's own server."""
    return place_of(private_redis.url)


@pytest.fixture
async def storage(place):
    """The storage there."""
    async with redis_storage(place.context()) as storage:
        yield storage
