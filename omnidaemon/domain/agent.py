"""Agents and workers as the registry keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import attrs

from omnidaemon.domain.errors import AgentNotFound, WorkerNotFound
from omnidaemon.domain.liveness import ALIVE_SECONDS
from omnidaemon.domain.names import Subscription


class Start(StrEnum):
    """From where a new subscription gets tasks: all that wait on its topic, or what is published from now on."""

    BACKLOG = "backlog"
    NOW = "now"


class WhenStopped(StrEnum):
    """What becomes of tasks that come in while an agent is stopped: they wait, or they are recorded as skipped."""

    HOLD = "hold"
    SKIP = "skip"


@attrs.frozen(kw_only=True)
class AgentProfile:
    """What a worker tells of an agent that it runs."""

    subscription: Subscription
    description: str = ""
    tools: tuple[str, ...] = ()
    when_stopped: WhenStopped = WhenStopped.HOLD
    lease_seconds: float = 30.0
    concurrency: int = 100


@attrs.frozen(kw_only=True)
class AgentRecord:
    """An agent in the registry. `generation` grows with each start and stop; `is_declared` once the bus confirmed
    it."""

    profile: AgentProfile
    start: Start
    registered_at: datetime
    is_declared: bool = False
    is_stopped: bool = False
    generation: int = 0

    @property
    def declaration(self) -> Start:
        """How a bus shall declare it, which is asked of it at every start of a worker.

        As decided, until a bus has confirmed that. From then on at the backlog: a bus that knows the subscription
        passes over it; one that does not is another bus, or has lost it, and shall give it all that waits there.
        """
        return Start.BACKLOG if self.is_declared else self.start

    def desired(self, *, is_stopped: bool) -> AgentRecord:
        """As somebody wants it; the generation grows only if that is a change."""
        if self.is_stopped is is_stopped:
            return self
        return attrs.evolve(self, is_stopped=is_stopped, generation=self.generation + 1)


def found_agent(known: Mapping[Subscription, AgentRecord], subscription: Subscription) -> AgentRecord:
    """The record of this agent, or `AgentNotFound`."""
    record = known.get(subscription)
    if record is None:
        raise AgentNotFound(subscription.topic, subscription.agent)
    return record


def registered(
    profiles: Iterable[AgentProfile], known: Mapping[Subscription, AgentRecord], at: datetime
) -> dict[Subscription, AgentRecord]:
    """The records of these agents after a worker told of them; `known` are all records of their topics.

    A known agent gets its new profile and keeps the rest. A new one starts at the backlog of a topic of which no
    agent's declaration is confirmed yet, else with what is published from now on.
    """
    settled = {subscription.topic for subscription, record in known.items() if record.is_declared}
    records: dict[Subscription, AgentRecord] = {}
    for profile in profiles:
        subscription = profile.subscription
        start = Start.NOW if subscription.topic in settled else Start.BACKLOG
        old = known.get(subscription) or AgentRecord(profile=profile, start=start, registered_at=at)
        records[subscription] = attrs.evolve(old, profile=profile)
    return records


@attrs.frozen(kw_only=True)
class WorkerReport:
    """A worker's heartbeat: who it is, what it runs, and how busy it is."""

    incarnation: str
    host: str
    pid: int
    started_at: datetime
    subscriptions: tuple[Subscription, ...] = ()
    running: int = 0
    is_draining: bool = False
    version: str = ""

    def after(self, before: WorkerReport | None) -> WorkerReport:
        """As the registry keeps it after the one before: what is to be drained goes on being so, until it leaves."""
        return self.drained() if before is not None and before.is_draining else self

    def drained(self) -> WorkerReport:
        """As the registry keeps it once somebody wants the worker drained."""
        return attrs.evolve(self, is_draining=True)


def found_worker(known: Mapping[str, WorkerReport], incarnation: str) -> WorkerReport:
    """The last heartbeat of this worker, or `WorkerNotFound`."""
    report = known.get(incarnation)
    if report is None:
        raise WorkerNotFound(incarnation)
    return report


WORKERS_REMEMBERED = timedelta(hours=1)
"""How long a worker is known after its last heartbeat."""


@attrs.frozen(kw_only=True)
class WorkerRecord:
    """The last heartbeat of a worker, and whether it is taken for alive."""

    report: WorkerReport
    seen_at: datetime
    is_alive: bool = True

    @property
    def running(self) -> int | None:
        """How many runs it executes; None of one that is not alive, since others take them over."""
        return self.report.running if self.is_alive else None

    @classmethod
    def seen(cls, report: WorkerReport, seen_at: datetime, now: datetime) -> WorkerRecord:
        """As it looks now."""
        return cls(report=report, seen_at=seen_at, is_alive=now - seen_at <= timedelta(seconds=ALIVE_SECONDS))


@attrs.frozen(kw_only=True)
class DesiredState:
    """What people want, as a worker learns it from its heartbeat. `removed`: those agents that the worker runs and the
    registry does not know any more. `is_drained`: the worker itself shall drain and leave. `has_lost_data`: the
    registry knows no agents, since the store was emptied; nobody wanted it."""

    stopped: frozenset[Subscription] = frozenset()
    removed: frozenset[Subscription] = frozenset()
    is_drained: bool = False
    has_lost_data: bool = False

    @classmethod
    def of(cls, known: Mapping[Subscription, AgentRecord], report: WorkerReport) -> DesiredState:
        """What this worker learns: of all agents that are known, and of its own report as the registry keeps it."""
        return cls(
            stopped=frozenset(subscription for subscription, record in known.items() if record.is_stopped),
            removed=frozenset(subscription for subscription in report.subscriptions if subscription not in known),
            is_drained=report.is_draining,
        )
