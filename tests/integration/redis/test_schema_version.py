"""A namespace gets its version with its first data; readers leave none, and nobody takes in data of another version."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
import redis

from omnidaemon.adapters.redis.forms import SCHEMA
from omnidaemon.adapters.redis.schema_version import SchemaVersion
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.ports.bus import Confirmation
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.testing.contracts.opening import GREETER
from omnidaemon.testing.worker import ScriptedWorker

OWN, NEWER = str(SCHEMA).encode(), str(SCHEMA + 1).encode()


@pytest.fixture
async def bus(place):
    async with redis_stream_bus(place.context()) as bus:
        yield bus


@pytest.fixture
def server(private_redis):
    with contextlib.closing(redis.Redis.from_url(private_redis.url)) as client:
        yield client


@pytest.fixture
def schema(place):
    """The key of the version."""
    return f"omni:{{{place.context().namespace}}}:schema"


READS = {
    "listing": lambda storage: storage.queries.find(TaskFilter()),
    "tasks": lambda storage: storage.queries.records(["t1"]),
    "census": lambda storage: storage.registry.census(),
    "journal": lambda storage: storage.journal.read(),
    "counts": lambda storage: storage.queries.counts(),
    "metrics": lambda storage: storage.queries.metrics(),
}
WRITES = {
    "log": lambda place, storage, bus: storage.log.add([place.task("t1")]),
    "reserve": lambda place, storage, bus: storage.log.reserve([place.task("t1", idempotency_key="k")]),
    "register": lambda place, storage, bus: storage.registry.register([AgentProfile(subscription=GREETER)]),
    "beat": lambda place, storage, bus: ScriptedWorker(storage.runs, "w1").renew(),
    "publish": lambda place, storage, bus: bus.publish_logged([place.task("t1")]),
}


async def test_whoever_reads_leaves_nothing(storage, bus, server):
    """However it looks around."""
    for read in READS.values():
        await read(storage)
    await bus.depths()
    assert server.keys() == []


@pytest.fixture(params=WRITES)
def write(request, place, storage, bus):
    """One of the calls that may be the first to write."""
    return partial(WRITES[request.param], place, storage, bus)


async def test_whoever_writes_first_says_of_which_version(server, schema, write):
    await write()
    assert server.get(schema) == OWN


async def test_nothing_is_written_among_data_of_another_version(server, schema, write):
    """Which came after both were opened, when there were none."""
    server.set(schema, NEWER)
    try:
        (receipt,) = await write()
    except BackendUnusable as error:
        told = str(error)
    else:  # a bus answers for each task
        assert receipt.confirmation is Confirmation.FAILED
        told = receipt.reason
    assert f"of version {SCHEMA + 1}" in told
    assert server.keys() == [schema.encode()]


@pytest.mark.parametrize("read", READS)
async def test_data_of_another_version_are_not_read(storage, server, schema, read):
    """Nor those that came while the reader was open: from the first call on."""
    await READS[read](storage)
    server.set(schema, NEWER)
    with pytest.raises(BackendUnusable, match="install a newer omnidaemon"):
        await READS[read](storage)


async def test_once_it_is_known_nobody_asks_again(place, storage, bus, monkeypatch):
    """It costs a call at the beginning, and nothing on the way of each task."""
    await storage.log.add([place.task("t1")])
    await bus.publish_logged([place.task("t2")])
    monkeypatch.delattr(SchemaVersion, "look")
    await storage.log.add([place.task("t3")])
    (receipt,) = await bus.publish_logged([place.task("t4")])
    assert receipt.confirmation is Confirmation.CONFIRMED
    assert len((await storage.queries.find(TaskFilter())).standings) == 4


async def test_who_erases_begins_anew(place, storage, bus, server, schema):
    """As whoever finds nothing: neither the version of before is believed, nor left out."""
    await bus.publish_logged([place.task("t1")])
    await bus.erase()
    await storage.erase()
    await storage.queries.find(TaskFilter())
    assert server.keys() == []
    await bus.publish_logged([place.task("t2")])
    await storage.log.add([place.task("t3")])
    assert server.get(schema) == OWN
