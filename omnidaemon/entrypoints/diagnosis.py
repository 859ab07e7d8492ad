"""What a check-up makes of what it has seen: each finding with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from omnidaemon.app.queries import AgentStatus, Health, WebhookPage
from omnidaemon.domain.agent import WorkerRecord
from omnidaemon.domain.durations import duration_text
from omnidaemon.domain.names import Subscription
from omnidaemon.entrypoints.time_texts import relative_time
from omnidaemon.entrypoints.unheard import handing_over
from omnidaemon.ports.backend import Weakness
from omnidaemon.ports.bus import Depth

if TYPE_CHECKING:
    from omnidaemon.bootstrap.settings import Settings

PATIENCE_SECONDS: Final = 5.0
"""So long somebody who asks how the system is waits for an answer of bus and store."""

_CLOCK_TOLERANCE = timedelta(seconds=5)
# OmniDaemon did not exist before: a clock that says so was never set.
_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)


class Severity(StrEnum):
    """`WRONG` needs mending, `WEAK` is worth knowing, `FINE` was looked at and is well."""

    WRONG = "wrong"
    WEAK = "weak"
    FINE = "fine"


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was looked at."""

    severity: Severity
    about: str
    found: str
    advice: str = ""


def _wrong(about: str, found: str, advice: str) -> Finding:
    return Finding(severity=Severity.WRONG, about=about, found=found, advice=advice)


def _weak(about: str, found: str, advice: str) -> Finding:
    return Finding(severity=Severity.WEAK, about=about, found=found, advice=advice)


def _fine(about: str, found: str) -> Finding:
    return Finding(severity=Severity.FINE, about=about, found=found)


# --- this machine -----------------------------------------------------------------------------------------------------


def broken(about: str, error: Exception) -> Finding:
    """What could not be looked at: the error says why, and what to do."""
    return _wrong(about, str(error), "mend this first; the rest could not be looked at")


def of_settings(settings: Settings) -> Iterator[Finding]:
    """The choice of backends, and what differs from the defaults."""
    chosen = f"bus {settings.event_bus_type}, store {settings.result_store_type}"
    changed = [
        f"{setting.name}={setting.value} ({setting.origin})" for setting in settings.shown() if _is_set(setting.origin)
    ]
    yield _fine("settings", "; ".join([chosen, *changed]))
    if settings.allow_mismatch:
        origin = settings.origins.get("allow_mismatch", "arguments")
        yield _weak(
            "settings",
            f"OMNIDAEMON_ALLOW_MISMATCH is set ({origin}): nobody checks that bus and store fit together",
            "unset it unless tasks may be lost when the store restarts",
        )


def _is_set(origin: str) -> bool:
    return origin != "default"


# --- bus and store ----------------------------------------------------------------------------------------------------


def of_health(health: Health) -> Iterator[Finding]:
    """Whether bus and store answer, and what they may lose."""
    about = "bus and store"
    if health.status == "unavailable":
        yield from (_wrong(about, note, "start it, or mend the setting that names it") for note in health.notes)
        return
    yield _fine(about, f"{health.bus} and {health.store} answer")
    advice = "for anything but trying things out choose a durable one, such as EVENT_BUS_TYPE=sqlite"
    yield from (_weak(about, note, advice) for note in health.notes)


def of_weaknesses(weaknesses: Iterable[Weakness]) -> Iterator[Finding]:
    """What a backend tells of the way it is run."""
    for weakness in weaknesses:
        severity = Severity.WRONG if weakness.is_grave else Severity.WEAK
        yield Finding(severity=severity, about=weakness.backend, found=weakness.found, advice=weakness.advice)


def of_agents(agents: Sequence[AgentStatus], workers: Iterable[WorkerRecord]) -> Iterator[Finding]:
    """Tasks that wait for nobody, agents that nobody runs any more, dead letters."""
    lately = {subscription for worker in workers for subscription in worker.report.subscriptions}
    for agent in agents:
        about = f"agent {agent.name} on {agent.topic}"
        waiting = agent.unbegun
        tasks = f"{waiting} {'task waits' if waiting == 1 else 'tasks wait'}"
        if agent.status == "stopped" and waiting:
            yield _weak(about, f"{tasks} while it is stopped", f"omni agent start {agent.topic} {agent.name}")
        elif agent.status == "unmanned":
            yield _unmanned(agent, about, tasks if waiting else "", _successor(agent, agents, lately))
        else:
            yield _fine(about, agent.status)
        if dead := agent.counts.get("dead", 0):
            yield _weak(about, f"{dead} dead letter{'s' * (dead != 1)}", f"look at them: omni dlq list {agent.topic}")


def _unmanned(agent: AgentStatus, about: str, tasks: str, successor: str | None) -> Finding:
    if successor is not None:
        found = "no worker runs it, but others of its topic are run: was it renamed?"
        advice = f"if so: {handing_over(agent, successor)}; else start it: omni run agents.py"
        return _wrong(about, f"{tasks}; {found}", advice) if tasks else _weak(about, found, advice)
    if tasks:
        return _wrong(about, f"{tasks}, and no worker runs it", _start_or_remove(agent))
    return _weak(about, "no worker runs it; its tasks will wait", _start_or_remove(agent))


def _start_or_remove(agent: AgentStatus) -> str:
    gone = f"omni agent remove {agent.topic} {agent.name}"
    return f"start one: omni run agents.py; or, if it is gone for good: {gone}"


def _successor(agent: AgentStatus, agents: Sequence[AgentStatus], lately: set[Subscription]) -> str | None:
    """Another agent of the topic that is run, when no worker is known that ran this one: maybe its new name. One that
    left in good order is forgotten at once, so that nothing can be said of how long that was ago."""
    if Subscription(agent.topic, agent.name) in lately:
        return None
    return next((other.name for other in agents if other.topic == agent.topic and other.workers), None)


def of_topics(depths: Iterable[Depth]) -> Iterator[Finding]:
    """Topics on which tasks wait for an agent that never came."""
    for depth in depths:
        if depth.agent is None and depth.waiting:
            yield _weak(
                f"topic {depth.topic}",
                f"{depth.waiting} waiting, and no agent listens to it",
                "start its agent, or publish to the topic that was meant: omni agent list",
            )


def of_webhooks(failed: WebhookPage) -> Iterator[Finding]:
    """Webhooks and replies that were given up; `failed` is the first page of them."""
    number = len(failed.webhooks)
    if number:
        how_many = f"{number} or more" if failed.cursor else str(number)
        found = f"{how_many} {'was' if how_many == '1' else 'were'} given up: nobody was told"
        yield _weak("webhooks and replies", found, "see why: omni webhook list --status failed")


def of_workers(workers: Iterable[WorkerRecord], now: datetime) -> Iterator[Finding]:
    """Workers that fell silent while nobody else runs their agents, and clocks that disagree."""
    workers = list(workers)
    run = {subscription for worker in workers if worker.is_alive for subscription in worker.report.subscriptions}
    for worker in workers:
        about = f"worker {worker.report.host} ({worker.report.pid})"
        is_replaced = bool(worker.report.subscriptions) and run.issuperset(worker.report.subscriptions)
        if not worker.is_alive and not is_replaced:
            yield _weak(
                about,
                f"last heard {relative_time(worker.seen_at, now)}: it died or is cut off; others take over what it ran",
                "look at its log; start it again",
            )
        if worker.seen_at - now > _CLOCK_TOLERANCE:
            yield _ahead(f"a heartbeat of {about}", worker.seen_at, now)


def of_clock(now: datetime, newest_task_at: datetime | None) -> Iterator[Finding]:
    """Whether this machine's clock can be right."""
    if now < _EARLIEST:
        yield _wrong("clock", f"it says {now:%Y-%m-%d %H:%M} UTC", "set it, for instance by NTP: delays depend on it")
    elif newest_task_at is not None and newest_task_at - now > _CLOCK_TOLERANCE:
        yield _ahead("the newest task", newest_task_at, now)
    else:
        yield _fine("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _ahead(what: str, at: datetime, now: datetime) -> Finding:
    return _wrong(
        "clock",
        f"{what} lies {duration_text((at - now).total_seconds())} in the future: two machines disagree about the time",
        "have both synchronised by NTP: delays and retries depend on it",
    )
