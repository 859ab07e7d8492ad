"""`omni health`: whether bus and store answer."""

from __future__ import annotations

import attrs

from omnidaemon.app.queries import Health
from omnidaemon.domain.errors import BackendError
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session


async def health(*, as_json: Json = False) -> ExitCode:
    """Say whether bus and store answer, and what is lossy or degraded. Exit 4 when they do not."""
    async with session() as opened:
        try:
            state = await opened.client.health()
        except BackendError as error:  # it cannot even be opened
            settings = opened.settings
            state = Health(
                status="unavailable",
                bus=settings.event_bus_type,
                store=settings.result_store_type,
                workers=0,
                agents=0,
                notes=(str(error),),
            )
    if state.agents and not state.workers:
        whose = "the agent" if state.agents == 1 else f"the {state.agents} agents"
        state = attrs.evolve(state, notes=(*state.notes, f"no worker runs {whose}, tasks wait: omni run agents.py"))
    screen(as_json=as_json).show(shapes.health(state), fleet_views.health_card(state))
    return ExitCode.UNREACHABLE if state.status == "unavailable" else ExitCode.DONE
