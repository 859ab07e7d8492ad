"""`omni bus`: see what waits on the event bus."""

from __future__ import annotations

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.commands import dlq as dead_letters
from omnidaemon.entrypoints.cli.options import Cursor, Json, Limit, TaskTopic
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session


async def list_(*, as_json: Json = False) -> None:
    """List the topics, their agents, and what waits for each on the bus."""
    async with session() as opened:
        depths = await opened.client.topics()
    screen(as_json=as_json).show([shapes.depth(depth) for depth in depths], fleet_views.depths_table(depths))


async def dlq(topic: TaskTopic, /, *, limit: Limit = 100, cursor: Cursor = None, as_json: Json = False) -> None:
    """List the dead letters of a topic, as `omni dlq list TOPIC`."""
    await dead_letters.list_(topic, limit=limit, cursor=cursor, as_json=as_json)
