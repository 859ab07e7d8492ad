"""`omni metrics`: what each agent has done."""

from __future__ import annotations

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session


async def metrics(*, as_json: Json = False) -> None:
    """Show what each agent has done since the store was made; `failed` counts attempts that raised."""
    async with session() as opened:
        done = await opened.client.metrics()
    screen(as_json=as_json).show(shapes.metrics(done), fleet_views.metrics_table(done))
