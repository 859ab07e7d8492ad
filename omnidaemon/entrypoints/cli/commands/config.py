"""`omni config`: see the settings."""

from __future__ import annotations

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import session
from omnidaemon.entrypoints.cli.views import Cell, Table


async def show(*, as_json: Json = False) -> None:
    """Show each setting and where it came from. Secrets are left out."""
    async with session(needs=()) as opened:
        shown = await opened.settings()
    table = Table(
        columns=("name", "value", "origin"),
        rows=[
            (
                views.plain(setting.name),
                views.plain(setting.value),
                Cell(text=setting.origin, style="dim" if setting.origin == "default" else "cyan"),
            )
            for setting in shown
        ],
        empty="no settings",
    )
    screen(as_json=as_json).show(shapes.settings(shown), table)
