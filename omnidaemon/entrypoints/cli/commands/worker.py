"""`omni worker`: see the processes that run agents."""

from __future__ import annotations

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session


async def list_(*, as_json: Json = False) -> None:
    """List the workers that were heard within the last hour."""
    async with session() as opened:
        workers = await opened.client.list_workers()
    screen(as_json=as_json).show([shapes.worker(worker) for worker in workers], fleet_views.workers_table(workers))
