"""A user that may do no more than `docs/how-to/redis.md` says."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import redis

from omnidaemon.adapters.redis import redis_storage
from omnidaemon.adapters.redis.pubsub_bus import redis_pubsub_bus
from omnidaemon.adapters.redis.streams_bus import redis_stream_bus
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.errors import BackendUnusable
from omnidaemon.domain.requests import HoldRun
from omnidaemon.ports.backend import SelfExamination
from omnidaemon.ports.bus import BusInspector
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.testing.contracts.opening import GREETER, LOGGER
from omnidaemon.testing.worker import ScriptedWorker, succeeded
from tests.servers.redis_kinds import PASSWORD, documented_user


async def use_everything(place):
    """Every port once."""
    async with redis_storage(place.context()) as storage:
        worker = ScriptedWorker(storage.runs, "w1")
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        await storage.registry.declared([GREETER])
        await storage.log.add([place.task("t0")])
        await storage.log.reserve([place.task("t1", idempotency_key="k")])
        await storage.log.confirm(["t1"])
        await storage.log.unconfirmed(0, 10)
        await storage.schedules.put([place.task("t2", due_at=place.now())])
        await storage.schedules.take(10, 1.0)
        await storage.schedules.drop(["t2"])
        wakeups = storage.runs.wakeups()
        await worker.renew()
        await worker.begin(HoldRun(task=place.task("t3"), subscription=GREETER))
        assert await wakeups.wait(5)
        await worker.settle(await worker.claimed(GREETER), succeeded())
        await worker.claim(worker.limit(GREETER), again=True)
        await storage.commands.requeue("t3", "greeter")
        await storage.commands.cancel("t3")
        await storage.commands.cancel("t0")
        await storage.commands.delete("t0")
        await storage.queries.find(TaskFilter())
        await storage.queries.find(TaskFilter(agent="greeter"))
        await storage.queries.ended(["t3"])
        await storage.queries.counts()
        await storage.queries.metrics()
        await storage.journal.read()
        await storage.journal.read(task_id="t3")
        await storage.commands.prune(timedelta(0), timedelta(0), 100)
        await storage.registry.census()
        await storage.registry.leave("w1")
        await storage.registry.remove(GREETER)


async def use_bus(place, make_bus):
    """Every call once, also those for what a worker left behind."""
    async with make_bus(place.context()) as bus, make_bus(place.context("peer")) as peer:
        await bus.publish([place.task("t0")])
        await bus.declare({GREETER: Start.BACKLOG, LOGGER: Start.BACKLOG})
        inbox, other = await bus.subscribe([GREETER]), await peer.subscribe([LOGGER, GREETER])
        await bus.publish([place.task(f"t{number}") for number in range(1, 5)])
        await inbox.ack(list(await inbox.receive({GREETER: 2}, 5))[:1])
        await other.receive({LOGGER: 1, GREETER: 2}, 5)
        waiting = asyncio.create_task(inbox.receive({GREETER: 100}, 20))
        await asyncio.sleep(0.05)  # into its blocking read
        inbox.interrupt()
        await waiting
        await inbox.close()
        await other.close()
        if isinstance(bus, BusInspector):
            await bus.depths()
        await bus.purge(GREETER.topic)
        await bus.retire(GREETER)
        if isinstance(bus, SelfExamination):
            await bus.weaknesses()


@pytest.mark.parametrize("make_bus", [redis_stream_bus, redis_pubsub_bus], ids=["streams", "pubsub"])
async def test_documented_user_may_use_the_buses(private_redis, place_of, make_bus):
    place = place_of(private_redis.url.replace("//", f"//omnidaemon:{PASSWORD}@"))
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command(*documented_user(place.namespace, has_buses=True))
    await use_bus(place, make_bus)
    with redis.Redis.from_url(private_redis.url) as client:
        denied = {entry["object"] for entry in client.acl_log() if entry["reason"] == "command"}
    assert denied <= {"config|get"}  # for `omni doctor`, which says so


async def test_documented_user_may_do_all_that_is_needed(private_redis, place_of):
    place = place_of(private_redis.url.replace("//", f"//omnidaemon:{PASSWORD}@"))
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command(*documented_user(place.namespace))
    await use_everything(place)


async def test_documented_user_may_touch_no_other_namespace(private_redis, place_of):
    place = place_of(private_redis.url.replace("//", f"//omnidaemon:{PASSWORD}@"))
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command(*documented_user("another"))
    with pytest.raises(BackendUnusable, match=r"docs/how-to/redis\.md"):
        await redis_storage(place.context()).__aenter__()
