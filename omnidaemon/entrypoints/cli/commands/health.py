"""`omni health`: whether bus and store answer."""

from __future__ import annotations

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session


async def health(*, as_json: Json = False) -> ExitCode:
    """Say whether bus and store answer, and what is lossy or degraded. Exit 4 when they do not."""
    async with session(needs=None) as opened:
        state = await opened.health()
    screen(as_json=as_json).show(shapes.health(state), fleet_views.health_card(state))
    return ExitCode.UNREACHABLE if state.status == "unavailable" else ExitCode.DONE
