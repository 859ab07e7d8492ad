"""Storages on a server of the test's own."""

from __future__ import annotations

import contextlib

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
async def storage(private_redis, place_of):
    place = place_of(private_redis.url)
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(redis_storage(place.context()))
