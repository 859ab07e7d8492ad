"""The outbox over its SQLite table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Final

from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.outbox_rows import ENTRY_COLUMNS, MOVE_ENTRY, entry_of, state_of
from omnidaemon.adapters.sqlite.reading import Reading, as_array
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.instant import micros
from omnidaemon.domain.notification import NotificationKind
from omnidaemon.domain.outbox import OutboxEntry, Settlement
from omnidaemon.ports.outbox import LARGEST_PAGE_BYTES, Outbox, OutboxFilter, OutboxPage, TakenEntries
from omnidaemon.ports.run_queries import position_before

_STEP: Final = 100
_NO_LIMIT: Final = 2**62

_FIRST_DUE: Final = "SELECT min(due_at) FROM outbox WHERE kind = ? AND due_at IS NOT NULL"
_DUE: Final = f"""
    SELECT {ENTRY_COLUMNS} FROM outbox WHERE kind = ? AND due_at IS NOT NULL AND due_at <= ?
    ORDER BY due_at, position LIMIT ?
"""
_BY_ID: Final = f"""
    SELECT {ENTRY_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN outbox ON outbox.notification_id = wanted.value
    ORDER BY wanted.key
"""


def _newest(columns: str, source: str = "") -> str:
    return f"SELECT {columns} FROM outbox WHERE {source} position < ? ORDER BY position DESC LIMIT ?"


# Each a statement of its own, so that the plan of each can be looked at.
_NEWEST: Final = _newest(ENTRY_COLUMNS)
_NEWEST_OF_TASK: Final = _newest(ENTRY_COLUMNS, "task_id = ? AND")
_NEWEST_ON_TOPIC: Final = _newest(ENTRY_COLUMNS, "topic = ? AND")
_NEWEST_IN_STATUS: Final = _newest(ENTRY_COLUMNS, "status = ? AND")
_SIZE: Final = "length(notification)"
_SIZES: Final = _newest(_SIZE)
_SIZES_OF_TASK: Final = _newest(_SIZE, "task_id = ? AND")
_SIZES_ON_TOPIC: Final = _newest(_SIZE, "topic = ? AND")
_SIZES_IN_STATUS: Final = _newest(_SIZE, "status = ? AND")


class SqliteOutbox(Outbox):
    """Entries come in through the ledger, in the transaction that ends their run.

    Taking and settling wait for no disk: what a power cut takes back is sent once more, for which receivers are
    prepared, and runs that end at the same time are not held up.
    """

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def take(self, limits: Mapping[NotificationKind, int], hold_seconds: float) -> TakenEntries:
        wanted = {kind: limit for kind, limit in limits.items() if limit > 0}
        now = micros(self._space.clock.now().at)
        first = await self._space.read(lambda reading: _first_due(reading, wanted))
        if first is None or first > now:
            # Nothing to take: seen without a write, since every worker asks every few seconds.
            return TakenEntries(next_due_seconds=None if first is None else (first - now) / 1e6)

        def work(ledger: Ledger) -> TakenEntries:
            now = micros(ledger.now.at)
            until = ledger.now.at + timedelta(seconds=hold_seconds)
            due = (_entries(ledger, _DUE, (kind.value, now, limit)) for kind, limit in wanted.items())
            taken = [entry.taken(until) for entries in due for entry in entries]
            _move(ledger, taken)
            first = _first_due(ledger, wanted)
            pause = None if first is None else max(0.0, (first - now) / 1e6)
            return TakenEntries(entries=tuple(taken), next_due_seconds=pause)

        return await self._space.write(work, durable=False)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        def work(ledger: Ledger) -> list[bool]:
            known = _known(ledger, [each.notification_id for each in settlements])
            answers: list[bool] = []
            for settlement in settlements:
                entry = known.get(settlement.notification_id)
                settled = None if entry is None else entry.settled(settlement, ledger.now)
                if settled is not None:
                    known[settlement.notification_id] = settled
                    _move(ledger, [settled])
                answers.append(settled is not None)
            return answers

        return await self._space.write(work, durable=False) if settlements else []

    async def find(self, wanted: OutboxFilter, cursor: str | None = None, limit: int = 100) -> OutboxPage:
        before = position_before(cursor)

        def work(reading: Reading) -> OutboxPage:
            found = filter(wanted.matches, _walk(reading, wanted, _NO_LIMIT if before is None else before))
            return OutboxPage.of(found, limit)

        return await self._space.read(work)

    async def redeliver(self, notification_ids: Sequence[str]) -> Sequence[str]:
        def work(ledger: Ledger) -> list[str]:
            known = _known(ledger, list(dict.fromkeys(notification_ids)))
            _move(ledger, [entry.redelivered(ledger.now) for entry in known.values()])
            return list(known)

        return await self._space.write(work, rings=Ring.EVERYBODY)


def _first_due(reading: Reading, wanted: Mapping[NotificationKind, int]) -> int | None:
    firsts = (reading.value(_FIRST_DUE, (kind.value,)) for kind in wanted)
    return min((first for first in firsts if first is not None), default=None)


def _known(reading: Reading, notification_ids: Sequence[str]) -> dict[str, OutboxEntry]:
    return {entry.notification_id: entry for entry in _entries(reading, _BY_ID, [as_array(notification_ids)])}


def _walk(reading: Reading, wanted: OutboxFilter, before: int) -> Iterator[OutboxEntry]:
    """What may match, newest first, from the index that knows most of it; read in steps of bounded size."""
    newest, sizes_of, bindings = _source(wanted)
    while sizes := reading.rows(sizes_of, (*bindings, before, _STEP)):
        step = sum(size <= LARGEST_PAGE_BYTES for size in accumulate(size for (size,) in sizes))
        rows = reading.rows(newest, (*bindings, before, max(1, step)))
        for row in rows:
            yield entry_of(row, reading.codec)
        before = rows[-1][0]


def _source(wanted: OutboxFilter) -> tuple[str, str, tuple[str, ...]]:
    if wanted.task_id is not None:
        return _NEWEST_OF_TASK, _SIZES_OF_TASK, (wanted.task_id,)
    if wanted.topic is not None:
        return _NEWEST_ON_TOPIC, _SIZES_ON_TOPIC, (wanted.topic,)
    if wanted.status is not None:
        return _NEWEST_IN_STATUS, _SIZES_IN_STATUS, (wanted.status.value,)
    return _NEWEST, _SIZES, ()


def _entries(reading: Reading, statement: str, bindings: Sequence[object]) -> list[OutboxEntry]:
    return [entry_of(row, reading.codec) for row in reading.rows(statement, bindings)]


def _move(ledger: Ledger, entries: Sequence[OutboxEntry]) -> None:
    rows = [(*state_of(entry, ledger.codec), entry.notification_id) for entry in entries]
    ledger.cursor.executemany(MOVE_ENTRY, rows)
