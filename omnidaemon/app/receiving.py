"""What a worker takes from the bus: no more than its agents have room for, and under load a batch ahead."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from omnidaemon.app.custody import Custody
from omnidaemon.app.lanes import Persistence
from omnidaemon.app.state import State
from omnidaemon.domain.agent import WhenStopped
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import Delivery, Inbox
from omnidaemon.ports.clock import Clock

_WAIT_SECONDS = 5.0
_SOON_SECONDS = 0.05
_AT_ONCE = 100
"""What is asked for at most, by an agent with fewer slots: so that there is room for the next batch beside it."""


class Batch(State):
    """What the bus had at a time when the agents could hold so many `ahead` of their slots. `filled` are those that got
    as much as there was room for: more may wait for them."""

    deliveries: Sequence[Delivery]
    ahead: Mapping[Subscription, int]
    filled: Collection[Subscription]


class Receiving:
    """One receive() at a time. Under load the next batch is received while one is begun: then there is something to do
    here while the store works, and something for the store to do while the handlers run."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        custody: Custody,
        clock: Clock,
        bus: Persistence,
        may_start: Callable[[], bool],
        subscriptions: Sequence[Subscription],
        when_stopped: Callable[[Subscription], WhenStopped],
    ) -> None:
        self._inbox = inbox
        self._custody = custody
        self._clock = clock
        self._bus = bus
        self._may_start = may_start
        self._subscriptions = subscriptions
        self._when_stopped = when_stopped
        self._room = asyncio.Event()
        self._asked: Collection[Subscription] = ()
        self._pending: Counter[Subscription] = Counter()
        """What is about to be begun, while more is received."""
        self._next: asyncio.Task[Batch] | None = None
        custody.on_freed(self.reconsider)

    def reconsider(self) -> None:
        """Look at the free slots anew: called when some were freed, or an agent was stopped or started. What is being
        received is for the right agents most often, if for more of their slots by now, and goes on then."""
        self._room.set()
        if self._asked and self._asked != self._credits().keys():
            self._inbox.interrupt()

    def stop(self) -> None:
        """Have what is under way return soon."""
        self._room.set()
        self._inbox.interrupt()

    async def next(self) -> Batch | None:
        """What comes next, maybe nothing; None where for some time there was no room, or there is some now."""
        self.taken_in()  # or left to the bus, where the store has choked on it
        if self._next is not None:
            return await self._under_way(self._next)
        self._room.clear()
        if credits := self._credits():
            return await self._received(credits)
        await self._clock.wait(self._room, _WAIT_SECONDS)
        return None

    async def begin_next(self, batch: Batch) -> None:
        """This one is about to be begun. Receive the next one meanwhile, if more waits and there is room for at least
        half as many: what a batch costs, a small one costs too."""
        if not batch.filled:
            return
        self._pending = Counter(delivery.subscription for delivery in batch.deliveries)
        credits = self._credits()
        if 2 * sum(credits.get(subscription, 0) for subscription in batch.filled) >= len(batch.deliveries):
            self._next = asyncio.create_task(self._received(credits))
            await asyncio.sleep(0)  # so the bus hears of it before the store has its batch to work on

    def taken_in(self) -> None:
        """What was about to be begun is begun: its slots are the custody's to count."""
        self._pending.clear()

    async def rest(self) -> None:
        """Receive nothing more for now. What has come already is the next batch when this goes on; the inbox gives it
        back otherwise."""
        under_way = self._next
        if under_way is None:
            return
        under_way.cancel()
        await asyncio.wait([under_way])
        if under_way.cancelled() or under_way.exception() is not None:
            self._next = None

    async def _under_way(self, receiving: asyncio.Task[Batch]) -> Batch:
        try:
            batch = await receiving
        except Exception:
            self._next = None
            raise
        self._next = None  # not before: who is cancelled as it arrives leaves it to `rest()`
        return batch

    async def _received(self, credits: Mapping[Subscription, int]) -> Batch:
        ahead = {subscription: self._custody.ahead(subscription) for subscription in credits}
        self._asked = credits.keys()
        receive = partial(self._inbox.receive, credits, _WAIT_SECONDS)
        soon: asyncio.TimerHandle | None = None
        if any(map(self._custody.fresh_waits, credits)):
            soon = asyncio.get_running_loop().call_later(_SOON_SECONDS, self._nothing_waits, credits)
        filled: Collection[Subscription] = ()
        try:
            deliveries = await self._bus.call(receive)
            filled = _filled(deliveries, credits)
        finally:
            self._asked = ()
            if soon is not None:
                soon.cancel()
            # Nor does anything wait that cannot be received.
            for subscription in credits:
                self._custody.saw_fresh(subscription, waits=subscription in filled)
        return Batch(deliveries, ahead, filled)

    def _nothing_waits(self, subscriptions: Collection[Subscription]) -> None:
        """The bus has nothing for these: due runs need not leave it a share of the slots for as long as it is waited
        for."""
        for subscription in subscriptions:
            self._custody.saw_fresh(subscription, waits=False)

    def _credits(self) -> dict[Subscription, int]:
        """How many each agent has room for, besides what is pending."""
        if not self._may_start():
            return {}
        credits: dict[Subscription, int] = {}
        for subscription in self._subscriptions:
            if not self._custody.is_stopped(subscription):
                room = self._custody.room_for_fresh(subscription)
            else:
                # What comes in for a stopped agent that skips takes no slot, only a line in the store.
                room = _AT_ONCE if self._when_stopped(subscription) is WhenStopped.SKIP else 0
            room -= self._pending[subscription]
            if room > 0:
                credits[subscription] = min(room, max(_AT_ONCE, self._custody.slots(subscription)))
        return credits


def _filled(deliveries: Sequence[Delivery], credits: Mapping[Subscription, int]) -> Collection[Subscription]:
    if len(deliveries) < min(credits.values()):
        return ()
    taken = Counter(delivery.subscription for delivery in deliveries)
    return {subscription for subscription, credit in credits.items() if taken[subscription] >= credit}
