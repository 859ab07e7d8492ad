"""What was begun ahead of its agent's slots, and waits for one longer than was foreseen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from omnidaemon.app.bridge import Assignment, Workforce
from omnidaemon.app.custody import Custody, Holding
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.clock import Clock

_PATIENCE_SECONDS: Final = 1.0
"""Much longer than anything is meant to wait for a slot here: what is given back loses its place, and where no other
worker of the agent is free, only time is lost."""


class AheadWatch:
    """Gives runs back whose agent has slowed down, so that they are everybody's again. It looks only while there are
    any."""

    def __init__(
        self,
        *,
        custody: Custody,
        workforce: Workforce,
        clock: Clock,
        give_back: Callable[[Sequence[Holding]], None],
        subscriptions: Sequence[Subscription],
    ) -> None:
        self._custody = custody
        self._workforce = workforce
        self._clock = clock
        self._give_back = give_back
        self._subscriptions = subscriptions
        self._has_some = asyncio.Event()

    def notice(self) -> None:
        """Called when grants were handed to the workforce."""
        if not self._has_some.is_set() and any(map(self._custody.is_ahead, self._subscriptions)):
            self._has_some.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._has_some.wait()
            await self._clock.wait(asyncio.Event(), _PATIENCE_SECONDS)
            self._has_some.clear()
            self.look()
            self.notice()

    def look(self) -> None:
        """Give back what has waited for too long."""
        latest = self._clock.now().steady - _PATIENCE_SECONDS
        for subscription in self._subscriptions:
            if self._custody.is_ahead(subscription) and (late := self._late(subscription, latest)):
                self._custody.has_slowed(subscription)
                self._take_back(late)

    def stop(self) -> None:
        """Give back whatever has no slot yet: nothing more is to be started here."""
        for subscription in self._subscriptions:
            self._take_back(self._workforce.waiting(subscription))

    def _late(self, subscription: Subscription, latest: float) -> Sequence[Assignment]:
        """All that waits, if the first of it was taken in before that."""
        waiting = self._workforce.waiting(subscription)
        first = next((holding for each in waiting if (holding := self._held(each)) is not None), None)
        return waiting if first is not None and first.taken_at <= latest else ()

    def _held(self, assignment: Assignment) -> Holding | None:
        holding = self._custody.get(assignment.grant.run.key)
        return holding if holding is not None and holding.grant is assignment.grant else None

    def _take_back(self, assignments: Sequence[Assignment]) -> None:
        holdings = map(self._held, self._workforce.take_back(assignments))
        if held := [holding for holding in holdings if holding is not None]:
            self._give_back(held)
