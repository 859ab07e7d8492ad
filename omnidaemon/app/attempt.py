"""One handler under way, as the executor keeps it."""

from __future__ import annotations

import asyncio
from typing import Final

from omnidaemon.app.bridge import Assignment, StopReason
from omnidaemon.app.context import Context
from omnidaemon.app.slots import Slots
from omnidaemon.app.state import State
from omnidaemon.domain.run import RunKey

GOES_ON: Final = {
    StopReason.REQUESTED: "was to be cancelled; it keeps its slot",
    StopReason.TIMED_OUT: "has timed out; it keeps its slot",
    StopReason.LOST: "is another worker's now; its slot is free, and it goes on beside what follows",
    StopReason.DRAINING: "was given back; it goes on for as long as this process",
}
"""What to say of an attempt that goes on although it was stopped for this reason."""


class Attempt(State):
    """One handler under way. `context` is what it is given beside the payload, where its agent wants that.
    `is_cancellable`: a coroutine of the agent is what its task waits for. `has_slot`: it has one of its agent's
    `slots`, unless its run is another's by now."""

    assignment: Assignment
    slots: Slots
    key: RunKey
    context: Context | None = None
    task: asyncio.Task[None] | None = None
    reason: StopReason | None = None
    is_cancellable: bool = False
    has_slot: bool = True
    timers: tuple[asyncio.TimerHandle, ...] = ()

    def request_stop(self) -> None:
        """Have a handler that looks see that it shall stop."""
        if self.context is not None:
            self.context.request_stop()
