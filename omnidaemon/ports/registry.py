"""The registry of agents and workers: who is subscribed, who lives, and what people want of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import attrs

from omnidaemon.domain.agent import (
    AgentProfile,
    AgentRecord,
    DesiredState,
    Start,
    WorkerRecord,
    WorkerReport,
)
from omnidaemon.domain.liveness import ALIVE_SECONDS
from omnidaemon.domain.names import Subscription

__all__ = ["ALIVE_SECONDS", "AgentRegistry", "Census"]


@attrs.frozen(kw_only=True)
class Census:
    """All agents and all workers that the registry knows, sorted."""

    agents: tuple[AgentRecord, ...] = ()
    workers: tuple[WorkerRecord, ...] = ()


class AgentRegistry(ABC):
    """Subscriptions are durable facts: they end by `remove` alone, not when a worker goes."""

    @abstractmethod
    async def register(self, profiles: Sequence[AgentProfile]) -> Mapping[Subscription, Start]:
        """Make these agents known, in one transaction, and say how the bus shall declare each
        (`AgentRecord.declaration`).

        An agent of a topic that has none yet, or none whose declaration was confirmed, starts at the `BACKLOG`, with
        all others of the same call; one that comes later at `NOW`. A known agent gets its new profile and keeps the
        rest, its stop too. A removed one begins anew.
        """

    @abstractmethod
    async def declared(self, subscriptions: Sequence[Subscription]) -> None:
        """Note that the bus has confirmed these declarations."""

    @abstractmethod
    async def beat(self, report: WorkerReport) -> DesiredState:
        """Record a worker's heartbeat and learn what people want. A worker not heard for `ALIVE_SECONDS` is dead.

        Where a store can lose its data while this object lives, the first heartbeat after that says so, and nothing
        else; whoever hears it registers its agents anew.
        """

    @abstractmethod
    async def leave(self, incarnation: str) -> None:
        """Forget a worker that has stopped in good order."""

    @abstractmethod
    async def census(self) -> Census:
        """All agents and workers; workers that died more than an hour ago are left out."""

    @abstractmethod
    async def desire(self, subscriptions: Sequence[Subscription], *, is_stopped: bool) -> None:
        """Want these agents stopped or running; every worker hears of it. `AgentNotFound` for an unknown one, and then
        none is changed."""

    @abstractmethod
    async def drain(self, incarnations: Sequence[str]) -> None:
        """Want these workers to take nothing more, finish what they run, and leave. Each learns it from its heartbeats,
        with a hint before; for the census it is draining from now on. Nobody can want it back: it ends when the worker
        leaves. `WorkerNotFound` for one that is not known, and then none is drained. Idempotent."""

    @abstractmethod
    async def remove(self, subscription: Subscription, heir: Subscription | None = None) -> None:
        """End the subscription: its agent need not answer for any task any more, and its runs that have not ended are
        cancelled (running ones are flagged). Those that nobody executes begin anew under the heir, where there is one.
        So are tasks that it alone had still to begin. `AgentNotFound` when there is no such agent.

        The bus comes first: who is killed between `EventBus.retire` and this call finds the agent here, and removes it
        again. The other way round the bus would collect for nobody.
        """
