"""How agents, workers, the bus and the system look to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from omnidaemon.app.queries import AgentStatus, Health
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.values import summary
from omnidaemon.entrypoints.cli.views import Card, Cell, Table, Tick
from omnidaemon.ports.bus import Depth


def agents_table(agents: Sequence[AgentStatus]) -> Table:
    """All agents."""
    return Table(
        columns=("topic", "name", "status", "workers", "waiting", "dead", "description"),
        rows=[
            (
                views.plain(agent.topic),
                views.plain(agent.name),
                views.status(agent.status),
                views.count(agent.workers),
                views.count(agent.unbegun),
                views.count(agent.counts.get("dead", 0), "bold red"),
                summary(agent.description or None),
            )
            for agent in agents
        ],
        empty="no agents yet: `omni run agents.py` makes its agents known",
        wide="description",
        optional={"dead": frozenset({"0"}), "description": frozenset({""})},
    )


def agent_card(agent: AgentStatus) -> Card:
    """One agent."""
    runs = ", ".join(f"{number} {status}" for status, number in sorted(agent.counts.items()))
    return Card(
        title=f"{agent.topic} · {agent.name}",
        style=views.STATUS_STYLES.get(agent.status, "cyan"),
        fields=(
            ("topic", views.plain(agent.topic)),
            ("name", views.plain(agent.name)),
            ("status", views.status(agent.status)),
            ("description", views.plain(agent.description)),
            ("tools", views.plain(", ".join(agent.tools))),
            ("workers", views.count(agent.workers)),
            ("concurrency", views.plain(agent.concurrency)),
            ("when stopped", views.plain(agent.when_stopped)),
            ("waiting", views.plain("the bus cannot tell" if agent.waiting is None else agent.waiting)),
            ("runs", views.plain(runs or "none yet")),
        ),
    )


def workers_table(workers: Sequence[WorkerRecord]) -> Table:
    """All workers that were heard lately."""
    return Table(
        columns=("id", "status", "host", "pid", "started", "heard", "running", "agents"),
        rows=[
            (
                views.plain(worker.report.incarnation),
                views.status(shapes.worker_status(worker)),
                views.plain(worker.report.host),
                views.plain(worker.report.pid),
                views.when(worker.report.started_at),
                views.when(worker.seen_at),
                views.maybe_count(worker.running, "cyan"),
                summary(", ".join(map(str, worker.report.subscriptions))),
            )
            for worker in workers
        ],
        empty="no workers: `omni run agents.py` starts one",
        wide="agents",
        spare=("started", "pid", "heard", "host"),
    )


def drained_table(workers: Sequence[WorkerRecord]) -> Table:
    """Workers that were told to leave, and are still there."""
    return attrs.evolve(workers_table(workers), empty="no worker is left")


def depths_table(depths: Sequence[Depth]) -> Table:
    """Topics, and what waits on them."""
    return Table(
        columns=("topic", "agent", "waiting", "held"),
        rows=[
            (
                views.plain(depth.topic),
                Cell(text="", shown="no agent yet", style="yellow")
                if depth.agent is None
                else views.plain(depth.agent),
                views.count(depth.waiting, "blue"),
                views.count(depth.held, "cyan"),
            )
            for depth in depths
        ],
        empty="nothing is known on this bus, or it cannot tell",
    )


def event_tick(event: JournalEvent) -> Tick:
    """What happened, in a line."""
    return Tick(
        cells=(
            ("position", views.plain(event.position)),
            ("at", views.by_the_clock(event.at)),
            ("event", Cell(text=event.kind.value, style=_EVENT_STYLES.get(event.kind, ""))),
            ("topic", views.plain(event.topic)),
            ("agent", views.plain(event.agent)),
            ("attempt", Cell(text=str(event.attempt or ""), shown=f"#{event.attempt}" if event.attempt else "")),
            ("task", Cell(text=event.task_id, style="dim")),
            ("detail", summary(event.detail or None)),
        ),
        spoken=frozenset({"at", "event", "topic", "agent", "attempt", "task", "detail"}),
        # An error says more than the whole of an id; by its end one can tell which it is.
        shortened={"task": f"…{event.task_id[-8:]}"} if event.detail else {},
    )


_EVENT_STYLES = {
    EventKind.PUBLISHED: "blue",
    EventKind.SCHEDULED: "blue",
    EventKind.REQUEUED: "blue",
    EventKind.STARTED: "cyan",
    EventKind.RETRIED: "yellow",
    EventKind.CRASHED: "red",
    EventKind.WAITED: "magenta",
    EventKind.SUCCEEDED: "green",
    EventKind.DEAD: "bold red",
    EventKind.CANCELLED: "yellow",
    EventKind.CANCEL_REQUESTED: "yellow",
    EventKind.SKIPPED: "yellow",
}


def health_card(health: Health) -> Card:
    """The state of the system."""
    return Card(
        title=f"{health.status} · {_HEALTH.get(health.status, '')}",
        style=views.STATUS_STYLES.get(health.status, "cyan"),
        fields=(
            ("status", views.status(health.status)),
            ("bus", views.plain(health.bus)),
            ("store", views.plain(health.store)),
            ("workers", views.count(health.workers)),
            ("agents", views.count(health.agents)),
            *(("note", views.plain(note)) for note in health.notes),
        ),
    )


_HEALTH = {
    "ok": "bus and store answer",
    "degraded": "bus and store answer, but see what is noted",
    "unavailable": "bus or store does not answer",
}


def metrics_table(done: Mapping[Subscription, Metrics]) -> Table:
    """What each agent has done."""
    return Table(
        columns=("topic", "agent", *_COUNTS, "average", "p95"),
        rows=[
            (
                views.plain(subscription.topic),
                views.plain(subscription.agent),
                *(views.count(getattr(counted, f"tasks_{name}"), style) for name, style in _COUNTS.items()),
                _time(counted, counted.avg_processing_time_sec),
                _at_most(_time(counted, counted.quantile(0.95))),
            )
            for subscription, counted in done.items()
        ],
        empty="no agent has done anything yet",
        optional=dict.fromkeys(_RARE, frozenset({"0"})),
        spare=("p95", "retried", "skipped", "cancelled", "received", "average", "crashed"),
    )


_COUNTS = {
    "received": "",
    "processed": "green",
    "failed": "red",
    "retried": "yellow",
    "dead_lettered": "bold red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "crashed": "red",
}
_RARE = ("failed", "retried", "dead_lettered", "skipped", "cancelled", "crashed")


def _time(counted: Metrics, seconds: float) -> Cell:
    return views.lasting(seconds if counted.attempts_timed else None)


def _at_most(bound: Cell) -> Cell:
    """The bound of a log bucket, which the longest attempt may well not have reached."""
    return attrs.evolve(bound, shown=f"≤ {bound.for_people}") if bound.text else bound
