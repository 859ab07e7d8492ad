"""The outbox over the memory tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice

from omnidaemon.adapters.memory.space import MemorySpace
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import Settlement
from omnidaemon.ports.outbox import Outbox, OutboxFilter, OutboxPage, TakenEntries
from omnidaemon.ports.run_queries import position_before


class MemoryOutbox(Outbox):
    """A table of entries, in the order of their positions."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    async def take(self, limits: Mapping[NotificationKind, int], hold_seconds: float) -> TakenEntries:
        space = self._space
        wanted = {kind for kind, limit in limits.items() if limit > 0}
        with space.transaction() as now:
            until = now.at + timedelta(seconds=hold_seconds)
            waiting = [
                (entry.due_at, entry.position, entry)
                for entry in space.outbox.values()
                if entry.due_at is not None and entry.notification.kind in wanted
            ]
            due = [entry for due_at, _, entry in sorted(waiting, key=lambda row: row[:2]) if due_at <= now.at]
            taken = []
            for kind in wanted:
                of_kind = (entry for entry in due if entry.notification.kind is kind)
                taken += [entry.taken(until) for entry in islice(of_kind, limits[kind])]
            space.outbox.update((entry.notification_id, entry) for entry in taken)
            first = min((space.outbox[entry.notification_id].due_at or now.at for _, _, entry in waiting), default=None)
            pause = None if first is None else max(0.0, (first - now.at).total_seconds())
            return TakenEntries(entries=tuple(taken), next_due_seconds=pause)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        space = self._space
        answers: list[bool] = []
        with space.transaction() as now:
            for settlement in settlements:
                entry = space.outbox.get(settlement.notification_id)
                settled = None if entry is None else entry.settled(settlement, now)
                if settled is not None:
                    space.outbox[settled.notification_id] = settled
                answers.append(settled is not None)
        return answers

    async def find(self, wanted: OutboxFilter, cursor: str | None = None, limit: int = 100) -> OutboxPage:
        before = position_before(cursor)
        with self._space.transaction():
            newest = sorted(self._space.outbox.values(), key=lambda entry: entry.position, reverse=True)
        older = (entry for entry in newest if before is None or entry.position < before)
        return OutboxPage.of(filter(wanted.matches, older), limit)

    async def redeliver(self, notification_ids: Sequence[str]) -> Sequence[str]:
        space = self._space
        with space.transaction() as now:
            known = [each for each in dict.fromkeys(notification_ids) if each in space.outbox]
            for notification_id in known:
                space.outbox[notification_id] = space.outbox[notification_id].redelivered(now)
        if known:
            space.bell.ring()
        return known
