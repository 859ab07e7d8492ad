"""Several publishers and workers, processes of their own, at the bus and the storage of one file."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import SqliteEventBus, SqliteResultStore
from omnidaemon.adapters.system import SystemClock, Uuid7Ids
from omnidaemon.domain.agent import AgentProfile, Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.states import Status
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BackendContext, SharedObjects
from omnidaemon.testing.patience import eventually
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded

GREETER = Subscription("greet.user", "greeter")


@pytest.fixture
def context(tmp_path):
    return BackendContext(
        namespace="test",
        data_dir=tmp_path,
        clock=SystemClock(),
        ids=Uuid7Ids(),
        codec=JsonCodec(),
        shared=SharedObjects(),
        option=lambda _: None,
    )


@pytest.fixture
async def storage(context, tmp_path):
    async with SqliteResultStore(tmp_path / "omni.db")(context) as storage:
        await storage.registry.register([AgentProfile(subscription=GREETER)])
        yield storage


@pytest.fixture
async def bus(context, storage, tmp_path):
    async with SqliteEventBus(tmp_path / "omni.db")(context) as bus:
        await bus.declare({GREETER: Start.BACKLOG})
        await storage.registry.declared([GREETER])
        yield bus


async def all_succeeded(storage, count):
    async def look():
        return dict(await storage.queries.counts())

    await eventually(look, lambda counts: counts == {(GREETER, Status.SUCCEEDED): count}, within_seconds=60)


async def test_processes_share_the_work(fleet, storage, bus):
    """Two publish, three work: each task is begun once and has one outcome."""
    workers = [fleet("work", f"w{number}") for number in range(3)]
    for number in range(2):
        fleet("publish", f"p{number}", 150)
    await all_succeeded(storage, 300)
    metrics = (await storage.queries.metrics())[GREETER]
    assert (metrics.tasks_received, metrics.tasks_processed, metrics.tasks_crashed) == (300, 300, 0)
    for worker in workers:
        worker.kill()
    done = Counter(line.split()[1] for worker in workers for line in worker.stdout)
    assert set(done.values()) == {1}


async def test_what_a_killed_worker_held_is_done_by_another(fleet, storage, bus):
    """Begun runs after their lease, deliveries that were not begun after their hold; nothing is lost, nothing twice."""
    fleet("publish", "p", 10).wait()
    victim = fleet("hold", "victim")
    assert await asyncio.to_thread(victim.stdout.readline) == "holds 5\n"
    victim.kill()
    fleet("work", "w")
    await all_succeeded(storage, 10)
    metrics = (await storage.queries.metrics())[GREETER]
    assert (metrics.tasks_received, metrics.tasks_processed, metrics.tasks_crashed) == (10, 10, 3)
    inbox = await bus.subscribe([GREETER])
    await asyncio.sleep(0)
    assert await inbox.receive({GREETER: 10}, wait_seconds=0) == []
    await inbox.close()


async def test_loops_and_threads_share_one_process(context, storage, bus, tmp_path):
    """Four workers, each on a loop of its own in a thread of its own, over the same adapters' database."""
    clock = SystemClock()
    tasks = [Task(task_id=f"t{n}", topic=GREETER.topic, payload=b"{}", created_at=clock.now().at) for n in range(200)]
    errors = []

    async def work(name):
        own_storage = SqliteResultStore(tmp_path / "omni.db")(context)
        own_bus = SqliteEventBus(tmp_path / "omni.db")(context)
        async with own_storage, own_bus:
            worker = ScriptedWorker(own_storage.runs, name)
            inbox = await own_bus.subscribe([GREETER])
            while deliveries := await inbox.receive({GREETER: 5}, wait_seconds=1.0):
                fresh = (each.task for each in deliveries if isinstance(each.task, Task))
                grants = await worker.begin(*(worker.start_of(task, GREETER) for task in fresh))
                await inbox.ack(deliveries)
                await worker.finish(*(outcome(grant, succeeded()) for grant in grants if grant is not None))
            await inbox.close()

    def run(name):
        try:
            asyncio.run(work(name))
        except Exception as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(bus.publish(tasks[start : start + 10]) for start in range(0, 200, 10)))
    await storage.log.add(tasks)
    await all_succeeded(storage, 200)
    for thread in threads:
        await asyncio.to_thread(thread.join, 20)
    assert errors == []
