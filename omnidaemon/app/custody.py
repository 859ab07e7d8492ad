"""The grants that this worker holds, and the slots that they leave free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

import attrs

from omnidaemon.app.agents import Agent
from omnidaemon.app.bridge import Report
from omnidaemon.app.pace import Pace
from omnidaemon.app.state import State
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import Counts
from omnidaemon.domain.requests import Grant, Held
from omnidaemon.domain.run import RunKey

_MOST_FOR_A_SLOT = 20
"""So many runs at most wait for each slot here: should it be taken for long after all, all have to go elsewhere."""

_SHARE = 4
"""While fresh and due work both wait, each gets at least one slot in this many that are freed."""


class Holding(State):
    """One grant in this worker's hands, since `taken_at` of this worker's steady clock.

    `is_acked`: the bus is known to have forgotten the delivery. `awaits_ack`: it is being told to just now.
    `has_returned`: its handler runs no more. `is_recording`: what became of the grant is on its way to the store, whose
    answer alone says whether it was lost.
    `is_lost`: the run is another worker's by now, and its handler goes on here all the same.
    """

    key: RunKey
    grant: Grant
    agent: Agent
    taken_at: float
    is_acked: bool
    awaits_ack: bool = False
    has_returned: bool = False
    is_recording: bool = False
    is_lost: bool = False

    def counts(self, steady: float) -> Counts:
        """What the policy may know of the run now, at this time of the steady clock: its ages are the store's."""
        return self.grant.run.counts(self.grant.at + timedelta(seconds=steady - self.taken_at))

    def as_held(self) -> Held:
        """As the gates want it named."""
        run = self.grant.run
        return Held(run.task_id, run.subscription.agent, run.fence, self.is_acked)


@attrs.define
class _Share:
    """What one agent was given of late, and from which sides work still waits. Of those held, `returned` are only still
    to be recorded."""

    pace: Pace = attrs.field(factory=Pace)
    held: int = 0
    returned: int = 0
    given_fresh: int = 0
    given_due: int = 0
    has_fresh: bool = False
    has_due: bool = False
    is_stopped: bool = False


class Custody:
    """Belongs to the engine's loop. A grant keeps its slot until its handler has returned: the next tasks are taken in
    while the store records the last ones. Where handlers return fast, some are taken in before that, as many as there
    will be slots for by the time that they are here. What waits to be recorded while the store is away cannot grow for
    that: an agent never holds more than twice as many grants as it has room for.

    Whoever asks the store for grants holds `taking` from counting the free slots until the grants are added: two at
    once would fill the same slots.
    """

    def __init__(self, agents: Mapping[Subscription, Agent]) -> None:
        self.taking = asyncio.Lock()
        self._agents = agents
        self._holdings: dict[RunKey, Holding] = {}
        self._shares = {subscription: _Share() for subscription in agents}
        self._on_freed: list[Callable[[], None]] = []
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def __len__(self) -> int:
        return len(self._holdings)

    @property
    def executing(self) -> int:
        """How many of them have a handler that runs: the others wait for a slot, or what became of them is recorded."""
        return sum(min(self.slots(s), share.held - share.returned) for s, share in self._shares.items())

    def get(self, key: RunKey) -> Holding | None:
        """The grant of this run, if this worker holds it."""
        return self._holdings.get(key)

    def all(self) -> tuple[Holding, ...]:
        """All grants, the oldest first."""
        return tuple(self._holdings.values())

    def owned(self) -> tuple[Holding, ...]:
        """Those of them that are not known to be another worker's."""
        return tuple(holding for holding in self._holdings.values() if not holding.is_lost)

    def on_freed(self, call: Callable[[], None]) -> None:
        """Have this called whenever slots became free or an agent may take work again."""
        self._on_freed.append(call)

    async def emptied(self) -> None:
        """Return once nothing is held."""
        await self._is_empty.wait()

    def add(self, grants: Iterable[Grant], now: float, *, is_fresh: bool) -> list[Holding]:
        """Take these grants into custody. One of a run that is held already takes the older one's place: this worker's
        lease had lapsed, or its last outcome was recorded and the answer is still under way."""
        added: list[Holding] = []
        for grant in grants:
            subscription = grant.run.subscription
            share = self._shares[subscription]
            key = grant.run.key
            holding = Holding(key, grant, self._agents[subscription], now, grant.run.is_acked)
            older = self._holdings.get(key)
            share.held += older is None
            share.returned -= older is not None and older.has_returned
            share.given_fresh += is_fresh
            share.given_due += not is_fresh
            self._holdings[key] = holding
            added.append(holding)
        if added:
            self._is_empty.clear()
        if is_fresh:  # whether more waits was noted when they were received
            for subscription in self._shares:
                self._settle(subscription)
        return added

    def returned(self, reports: Iterable[Report], now: float) -> None:
        """The handlers of these run no more: their slots are free."""
        ran: dict[Subscription, int] = {}
        for report in reports:
            run = report.grant.run
            holding = self._holdings.get(run.key)
            if holding is not None and holding.grant is report.grant and not holding.has_returned:
                holding.has_returned = True
                self._shares[run.subscription].returned += 1
                ran[run.subscription] = ran.get(run.subscription, 0) + (report.seconds > 0.0)
        for subscription, count in ran.items():
            self._shares[subscription].pace.note(count, now)
        self.reconsider()

    def is_ahead(self, subscription: Subscription) -> bool:
        """Whether the agent holds more than it has slots for."""
        share = self._shares[subscription]
        return share.held - share.returned > self.slots(subscription)

    def has_slowed(self, subscription: Subscription) -> None:
        """Nothing more is to be taken in for this agent before it has a slot, until it is seen to be fast again."""
        self._shares[subscription].pace.forget()

    def remove(self, keys: Iterable[RunKey]) -> None:
        """These are recorded, lost or given back."""
        freed = False
        for key in keys:
            holding = self._holdings.pop(key, None)
            if holding is not None:
                share = self._shares[holding.grant.run.subscription]
                share.held -= 1
                share.returned -= holding.has_returned
                freed = True
        if not self._holdings:
            self._is_empty.set()
        if freed:
            self.reconsider()

    # --- who may take how much ----------------------------------------------------------------------------------------

    def stop(self, stopped: Iterable[Subscription]) -> None:
        """Take nothing more for these agents; the others may."""
        wanted = frozenset(stopped)
        changed = False
        for subscription, share in self._shares.items():
            is_stopped = subscription in wanted
            changed |= share.is_stopped is not is_stopped
            if share.is_stopped and not is_stopped:
                share.has_due = True  # nobody has looked meanwhile: the next claim will tell
            share.is_stopped = is_stopped
        if changed:
            self.reconsider()

    def is_stopped(self, subscription: Subscription) -> bool:
        """Whether the agent shall take nothing more."""
        return self._shares[subscription].is_stopped

    def ahead(self, subscription: Subscription) -> int:
        """How many grants more than it has slots for the agent may hold just now."""
        return min(self._shares[subscription].pace.ahead, _MOST_FOR_A_SLOT * self.slots(subscription))

    def free(self, subscription: Subscription, ahead: int | None = None) -> int:
        """How many more grants the agent can hold, whatever their source; with as many `ahead` of its slots as when
        they were asked for, if that was before."""
        share = self._shares[subscription]
        room = self.slots(subscription) + (self.ahead(subscription) if ahead is None else ahead)
        return max(0, room - share.held + min(share.returned, room))

    def slots(self, subscription: Subscription) -> int:
        """How many handlers of the agent run at once."""
        return self._agents[subscription].profile.concurrency

    def lease_seconds(self, subscription: Subscription) -> float:
        """The length of the agent's leases."""
        return self._agents[subscription].policy.lease

    def room_for_fresh(self, subscription: Subscription) -> int:
        """How many fresh tasks may be taken in now without starving due runs."""
        share = self._shares[subscription]
        return self._fair(self.free(subscription), share.given_fresh, share.given_due, other_waits=share.has_due)

    def room_for_due(self, subscription: Subscription) -> int:
        """How many due runs may be claimed now without starving fresh tasks."""
        share = self._shares[subscription]
        return self._fair(self.free(subscription), share.given_due, share.given_fresh, other_waits=share.has_fresh)

    @staticmethod
    def _fair(free: int, mine: int, others: int, *, other_waits: bool) -> int:
        if not other_waits:
            return free
        return max(0, min(free, (_SHARE - 1) * (others + 1) - mine))

    def saw_fresh(self, subscription: Subscription, *, waits: bool) -> None:
        """Note whether more fresh tasks wait for the agent."""
        self._shares[subscription].has_fresh = waits
        self._settle(subscription)

    def saw_due(self, subscription: Subscription, *, waits: bool) -> None:
        """Note whether more due runs wait for the agent."""
        self._shares[subscription].has_due = waits
        self._settle(subscription)

    def fresh_waits(self, subscription: Subscription) -> bool:
        """Whether fresh tasks were last seen waiting for the agent's slots."""
        return self._shares[subscription].has_fresh

    def due_waits(self, subscription: Subscription) -> bool:
        """Whether due runs were last seen waiting for the agent's slots."""
        return self._shares[subscription].has_due

    def _settle(self, subscription: Subscription) -> None:
        """Past shares are of no account once one side has nothing, or both have had theirs."""
        share = self._shares[subscription]
        is_contended = share.has_fresh and share.has_due
        if not is_contended or min(share.given_fresh, share.given_due) * _SHARE >= share.given_fresh + share.given_due:
            share.given_fresh = share.given_due = 0

    def reconsider(self) -> None:
        """Have everybody who takes work look anew at what they may take."""
        for call in self._on_freed:
            call()
