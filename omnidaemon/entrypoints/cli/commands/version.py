"""`omni version`."""

from __future__ import annotations

import platform
from importlib import metadata

from omnidaemon.entrypoints.cli.options import Json
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.views import Lines


def version(*, as_json: Json = False) -> None:
    """Show the version of OmniDaemon, and of the Python that it runs on."""
    own, python = metadata.version("omnidaemon"), platform.python_version()
    screen(as_json=as_json).show({"version": own, "python": python}, Lines.of(f"omnidaemon {own} (Python {python})"))
