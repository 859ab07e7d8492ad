"""The outbox over the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.faults import MOST_ROUNDS
from omnidaemon.adapters.redis.forms import pairs
from omnidaemon.adapters.redis.listing import NO_LIMIT
from omnidaemon.adapters.redis.outbox_forms import entry_of, move_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, Settlement
from omnidaemon.ports.outbox import LARGEST_PAGE_BYTES, Outbox, OutboxFilter, OutboxPage, TakenEntries
from omnidaemon.ports.run_queries import position_before

_STEP: Final = 100


class RedisOutbox(Outbox):
    """Entries come in through the script `apply`. What becomes of one is decided here, and written there if nobody has
    taken it meanwhile."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    async def take(self, limits: Mapping[NotificationKind, int], hold_seconds: float) -> TakenEntries:
        wanted = [word for kind, limit in limits.items() if limit > 0 for word in (kind.value, limit)]
        seconds, microseconds, rows, *rest = await self._space.script("outbox_take", hold_seconds, *wanted)
        self._space.clock.note(seconds, microseconds)
        return TakenEntries(entries=self._entries(rows), next_due_seconds=float(rest[0]) if rest else None)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        answers: list[bool] = []
        known, now = await self._read([each.notification_id for each in settlements])
        moves: list[tuple[OutboxEntry, OutboxEntry]] = []
        for settlement in settlements:
            entry = known.get(settlement.notification_id)
            settled = None if entry is None else entry.settled(settlement, now)
            if entry is not None and settled is not None:
                moves.append((entry, settled))
                known[settlement.notification_id] = settled
            answers.append(settled is not None)
        written = iter(await self._move(moves))
        return [is_settled and next(written) for is_settled in answers]

    async def find(self, wanted: OutboxFilter, cursor: str | None = None, limit: int = 100) -> OutboxPage:
        before = position_before(cursor)
        below = NO_LIMIT if before is None else before
        found: list[OutboxEntry] = []
        while (page := OutboxPage.of(found, limit)).cursor is None:
            (rows,) = await self._space.script("newest", below, _STEP, _index_of(wanted))
            if not rows:
                break
            *_, known, read = await self._space.script("outbox_read", LARGEST_PAGE_BYTES, *rows[::2])
            found += filter(wanted.matches, self._entries(known))
            below = int(rows[2 * read - 1])
        return page

    async def redeliver(self, notification_ids: Sequence[str]) -> Sequence[str]:
        left = list(dict.fromkeys(notification_ids))
        done: set[str] = set()
        for round_ in range(MOST_ROUNDS):
            known, now = await self._read(left)
            moves = [(entry, entry.redelivered(now)) for entry in known.values()]
            written = await self._move(moves, rings=True)
            done |= {entry.notification_id for (entry, _), is_written in zip(moves, written, strict=True) if is_written}
            left = [each for each in known if each not in done]
            if not left:
                return [each for each in dict.fromkeys(notification_ids) if each in done]
            await self._space.pause(round_)  # somebody has taken it in between
        raise self._space.too_busy()

    async def _read(self, notification_ids: Sequence[str]) -> tuple[dict[str, OutboxEntry], Instant]:
        if not notification_ids:
            return {}, self._space.clock.now()
        seconds, microseconds, rows, _ = await self._space.script("outbox_read", 0, *notification_ids)
        now = self._space.clock.note(seconds, microseconds)
        return {entry.notification_id: entry for entry in self._entries(rows)}, now

    async def _move(self, moves: Sequence[tuple[OutboxEntry, OutboxEntry]], *, rings: bool = False) -> list[bool]:
        if not moves:
            return []
        words = [word for before, after in moves for word in move_of(before, after, self._space.codec)]
        return [bool(answer) for answer in await self._space.script("outbox_move", int(rings), *words)]

    def _entries(self, rows: Sequence[Any]) -> tuple[OutboxEntry, ...]:
        return tuple(entry_of(pairs(flat), due, self._space.codec) for _, due, flat in rows)


def _index_of(wanted: OutboxFilter) -> str:
    """The index that knows most of what is wanted; it may hold more, never less."""
    if wanted.task_id is not None:
        return f"outbox:of:{wanted.task_id}"
    if wanted.topic is not None:
        return f"outbox:on:{wanted.topic}"
    return "outbox" if wanted.status is None else f"outbox:in:{wanted.status.value}"
