"""Where the steps are carried out."""

from __future__ import annotations

from typing import Protocol

from omnidaemon.ports.run_commands import RunCommands
from omnidaemon.ports.run_store import RunStore
from omnidaemon.testing.model.checks import Runs
from omnidaemon.testing.model.world import World


class Stage(Protocol):
    """The store that the world meets: one connection per worker, commands, time, and a look at all runs."""

    commands: RunCommands

    def runs(self, worker: int) -> RunStore:
        """The connection of this worker."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let time pass for the store."""
        ...

    async def look(self, world: World) -> Runs:
        """The runs as they are."""
        ...
