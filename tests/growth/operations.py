"""The calls whose cost must not grow with what is stored, by the name that a person knows them by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.domain.states import Status
from omnidaemon.ports.outbox import OutboxFilter
from omnidaemon.ports.run_queries import TaskFilter
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from tests.growth.population import CROWDED, QUIET, Population, report_of

_PAGE: Final = 20

Operation = Callable[[], Awaitable[object]]

GROWING: Final = {"agent list: how many runs each agent has in each state"}
"""Counted when somebody asks, and not for each task: SQLite reads the entries of an index for it, and no row."""


def operations(storage: Storage, place: Place, population: Population) -> Mapping[str, Operation]:
    """Of this storage, filled by this population. Pages are of twenty."""
    queries, outbox, journal, registry = storage.queries, storage.outbox, storage.journal, storage.registry

    def tasks(status: Status | None = None, topic: str | None = None, agent: str | None = None) -> Operation:
        return lambda: queries.find(TaskFilter(status=status, topic=topic, agent=agent), None, _PAGE)

    def webhooks(wanted: OutboxFilter) -> Operation:
        return lambda: outbox.find(wanted, None, _PAGE)

    async def second_page() -> object:
        page = await queries.find(TaskFilter(), None, _PAGE)
        return await queries.find(TaskFilter(), page.cursor, _PAGE)

    async def newest_events() -> object:
        return await journal.read(await journal.latest() - _PAGE, limit=_PAGE)

    return {
        "task list": tasks(),
        "task list, its second page": second_page,
        **{f"task list --status {status}": tasks(status) for status in Status},
        "task list --topic, a crowded one": tasks(topic=CROWDED.topic),
        "task list --topic, a quiet one": tasks(topic=QUIET.topic),
        "task list --agent, a busy one": tasks(agent=CROWDED.agent),
        "task list --agent, an idle one": tasks(agent=QUIET.agent),
        **{f"task list --topic, a quiet one, --status {status}": tasks(status, QUIET.topic) for status in Status},
        "dlq list": tasks(Status.DEAD, CROWDED.topic),
        "task show": lambda: queries.records(["cancelled-busy-0"]),
        "webhook list": webhooks(OutboxFilter()),
        "webhook list --status pending": webhooks(OutboxFilter(status=OutboxStatus.PENDING)),
        "webhook list --status failed": webhooks(OutboxFilter(status=OutboxStatus.FAILED)),
        "webhook list --topic": webhooks(OutboxFilter(topic=CROWDED.topic)),
        "webhook list --topic, a quiet one": webhooks(OutboxFilter(topic=QUIET.topic)),
        "webhook list --task": webhooks(OutboxFilter(task_id="many-busy-400")),
        "agent list, worker list": registry.census,
        "agent list: how many runs each agent has in each state": queries.counts,
        "metrics": queries.metrics,
        "bus watch: the newest events": newest_events,
        "task show: one task's events": lambda: journal.read(0, "cancelled-busy-0"),
        "a worker's heartbeat": lambda: registry.beat(report_of(place, "w1")),
        "a claim when nothing is due": population.idle_claim,
        "the outbox's next entries": lambda: outbox.take({NotificationKind.WEBHOOK: 10}, 0.0),
        "the schedules' next tasks": lambda: storage.schedules.take(10, 0.0),
        "one task: logged, begun, ended, removed": population.begin_one,
    }
