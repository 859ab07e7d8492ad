"""A publisher or a worker at the bus and the storage of one SQLite file; what it does is its second argument."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite import SqliteEventBus, SqliteResultStore
from omnidaemon.adapters.system import SystemClock, Uuid7Ids
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.requests import StartRun
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BackendContext, SharedObjects
from omnidaemon.ports.bus import Delivery, EventBus
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.worker import ScriptedWorker, outcome, succeeded

GREETER = Subscription("greet.user", "greeter")
LEASE_SECONDS = 1.0


def context(folder: Path) -> BackendContext:
    """What the adapters of a process get."""
    return BackendContext(
        namespace="test",
        data_dir=folder,
        clock=SystemClock(),
        ids=Uuid7Ids(),
        codec=JsonCodec(),
        shared=SharedObjects(),
        option=lambda _: None,
    )


def opened(path: Path) -> tuple[EventBus, Storage]:
    """The bus and the storage of the file, not entered yet."""
    where = context(path.parent)
    return SqliteEventBus(path)(where), SqliteResultStore(path)(where)


def say(*words: object) -> None:
    """Tell the test, one line at a time."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def publish(bus: EventBus, storage: Storage, prefix: str, count: int) -> None:
    """Publish in batches of ten."""
    clock = SystemClock()
    for start in range(0, count, 10):
        tasks = [
            Task(task_id=f"{prefix}-{number}", topic=GREETER.topic, payload=b"{}", created_at=clock.now().at)
            for number in range(start, start + 10)
        ]
        await asyncio.gather(bus.publish(tasks), storage.log.add(tasks))
    say("published")


def intakes(worker: ScriptedWorker, deliveries: Sequence[Delivery]) -> list[StartRun]:
    """What begins these deliveries."""
    return [worker.start_of(each.task, GREETER) for each in deliveries if isinstance(each.task, Task)]


async def work(bus: EventBus, storage: Storage, name: str) -> None:
    """Receive, begin, ack, finish, and claim what is due; say each outcome that was recorded."""
    worker = ScriptedWorker(storage.runs, name, lease_seconds=LEASE_SECONDS)
    inbox = await bus.subscribe([GREETER])
    while True:
        deliveries = await inbox.receive({GREETER: 7}, wait_seconds=0.2)
        answers = await worker.begin(*intakes(worker, deliveries))
        await inbox.ack(deliveries)
        claims = await worker.claim(worker.limit(GREETER, slots=7, crash_limit=100))
        grants = [grant for grant in (*answers, *claims.grants) if grant is not None]
        recorded = await worker.finish(*(outcome(grant, succeeded()) for grant in grants))
        for grant, is_recorded in zip(grants, recorded, strict=True):
            if is_recorded:
                say("done", grant.run.task_id)


async def hold(bus: EventBus, storage: Storage, name: str) -> None:
    """Take five deliveries and begin three of them, ack none, and stand still."""
    inbox = await bus.subscribe([GREETER])
    deliveries = await inbox.receive({GREETER: 5}, wait_seconds=10)
    worker = ScriptedWorker(storage.runs, name, lease_seconds=LEASE_SECONDS)
    await worker.begin(*intakes(worker, deliveries[:3]))
    say("holds", len(deliveries))
    await asyncio.Event().wait()


async def main() -> None:
    """Open both, and do what was asked."""
    path, mode, *arguments = sys.argv[1:]
    bus, storage = opened(Path(path))
    async with storage, bus:
        match mode, arguments:
            case "publish", [prefix, count]:
                await publish(bus, storage, prefix, int(count))
            case "work", [name]:
                await work(bus, storage, name)
            case "hold", [name]:
                await hold(bus, storage, name)


if __name__ == "__main__":
    asyncio.run(main())
