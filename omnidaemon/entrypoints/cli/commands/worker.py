"""`omni worker`: see the processes that run agents, and have them leave."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.options import Json, WrongUse
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session

WorkerId = Annotated[str, Parameter(help="The id of a worker, as `omni worker list` shows it.")]
EveryWorker = Annotated[bool, Parameter(name="--all", help="Every worker that lives.")]


async def list_(*, as_json: Json = False) -> None:
    """List the workers that were heard within the last hour."""
    async with session() as opened:
        workers = await opened.client.list_workers()
    screen(as_json=as_json).show([shapes.worker(worker) for worker in workers], fleet_views.workers_table(workers))


async def drain(*worker_ids: WorkerId, all_: EveryWorker = False, as_json: Json = False) -> None:
    """Have workers take nothing more, finish what they run, and leave: their processes end, and none is started in
    their place."""
    if all_ == bool(worker_ids):
        raise WrongUse("name workers by their ids, or give --all" + (", not both" if all_ else ""))
    async with session() as opened:
        client = opened.client
        before = {worker.report.incarnation for worker in await client.list_workers() if worker.is_alive}
        if all_:
            await client.drain_all_workers()
        for worker_id in dict.fromkeys(worker_ids):
            await client.drain_worker(worker_id)
        told = before if all_ else set(worker_ids)
        workers = [worker for worker in await client.list_workers() if worker.report.incarnation in told]
    screen(as_json=as_json).show([shapes.worker(worker) for worker in workers], fleet_views.drained_table(workers))
