"""The task log over the SQLite tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from omnidaemon.adapters.sqlite import unbegun
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.reading import Reading, as_array
from omnidaemon.adapters.sqlite.rows import TASK_COLUMNS, task_of
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.domain.instant import micros
from omnidaemon.domain.journal import EventKind, JournalEvent, entries_of
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.task_log import Reservation, TaskLog

_KNOWN: Final = """
    SELECT task_id, position, is_logged FROM json_each(?) AS wanted CROSS JOIN tasks
    ON tasks.task_id = wanted.value
"""
_TAKE_KEY: Final = """
    INSERT INTO idempotency_keys (topic, key, task_id, reserved_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING task_id
"""
_RESERVED: Final = f"""
    SELECT is_confirmed, {TASK_COLUMNS} FROM json_each(?) AS wanted CROSS JOIN idempotency_keys AS keys
    ON keys.topic = wanted.value ->> 0 AND keys.key = wanted.value ->> 1
    JOIN tasks ON tasks.task_id = keys.task_id ORDER BY wanted.key
"""
_SUBSCRIBED: Final = """
    SELECT topic, agent FROM json_each(?) AS wanted CROSS JOIN agents ON topic = wanted.value ORDER BY agent
"""
_CONFIRM: Final = "UPDATE idempotency_keys SET is_confirmed = 1 WHERE task_id = ?"
_UNCONFIRMED: Final = f"""
    SELECT {TASK_COLUMNS} FROM idempotency_keys JOIN tasks USING (task_id)
    WHERE is_confirmed = 0 AND reserved_at <= ? ORDER BY reserved_at, position LIMIT ?
"""


def encoded(codec: Codec, tasks: Sequence[Task]) -> dict[str, bytes]:
    """The bodies of these tasks, made before the transaction that everybody waits for; of one id, the first counts."""
    return {task.task_id: codec.encode_task(task) for task in reversed(tasks)}


def log(ledger: Ledger, tasks: Sequence[Task], kind: EventKind, bodies: Mapping[str, bytes]) -> None:
    """Log the tasks with the agents subscribed now; one that begin() logged first gets its agents here."""
    first = {task.task_id: task for task in reversed(tasks)}
    known = {row[0]: row for row in ledger.rows(_KNOWN, [as_array(first)])}
    ledger.positions.update((task_id, position) for task_id, position, _ in known.values())
    fresh = [task for task_id, task in reversed(first.items()) if task_id not in known]
    begun = [first[task_id] for task_id, _, is_logged in known.values() if not is_logged]
    named = _named(ledger, {task.topic for task in (*fresh, *begun)})
    told = (*fresh, *begun)
    told_entries = entries_of(
        JournalEvent(kind=kind, task_id=task.task_id, topic=task.topic, at=ledger.now.at) for task in told
    )
    entries = dict(zip((task.task_id for task in told), ledger.enter(told_entries), strict=True))
    ledger.add_tasks([(task, named[task.topic]) for task in fresh], bodies, entries)
    lines = [(t.topic, agent, ledger.positions[t.task_id]) for t in fresh for agent in named[t.topic] or ("",)]
    unbegun.expect(ledger.cursor, lines)
    places = [(task.topic, ledger.positions[task.task_id], entries[task.task_id]) for task in begun]
    ledger.name_agents(places, named)


def _named(ledger: Ledger, topics: set[str]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {topic: [] for topic in topics}
    for topic, agent in ledger.rows(_SUBSCRIBED, [as_array(topics)]):
        named[topic].append(agent)
    return named


class SqliteTaskLog(TaskLog):
    """What publishers write. The age of a reservation is told by the wall clock, which a reboot does not set back."""

    def __init__(self, space: SqliteSpace) -> None:
        self._space = space

    async def add(self, tasks: Sequence[Task]) -> None:
        bodies = encoded(self._space.codec, tasks)
        await self._space.write(lambda ledger: log(ledger, tasks, EventKind.PUBLISHED, bodies))

    async def reserve(self, tasks: Sequence[Task]) -> Sequence[Reservation]:
        bodies = encoded(self._space.codec, tasks)
        return await self._space.write(lambda ledger: self._reserve(ledger, tasks, bodies))

    def _reserve(self, ledger: Ledger, tasks: Sequence[Task], bodies: Mapping[str, bytes]) -> list[Reservation]:
        log(ledger, self._take_keys(ledger, tasks), EventKind.PUBLISHED, bodies)
        keys = as_array((task.topic, task.idempotency_key or "") for task in tasks)
        rows = ledger.rows(
            _RESERVED,
            [keys],
        )
        answers: list[Reservation] = []
        for is_confirmed, *row in rows:
            task = task_of(row, ledger.codec)
            if isinstance(task, Unreadable):
                raise self._space.too_new(task)
            answers.append(Reservation(task=task, is_confirmed=bool(is_confirmed)))
        return answers

    @staticmethod
    def _take_keys(ledger: Ledger, tasks: Sequence[Task]) -> list[Task]:
        """Those of the tasks that have got their keys."""
        now = micros(ledger.now.at)
        rows = [(task.topic, task.idempotency_key or "", task.task_id, now) for task in tasks]
        taken = ledger.cursor.executemany(
            _TAKE_KEY,
            rows,
        )
        winners = {row[0] for row in taken}
        return [task for task in tasks if task.task_id in winners]

    async def confirm(self, task_ids: Sequence[str]) -> None:
        keys = [(task_id,) for task_id in task_ids]
        await self._space.write(lambda ledger: ledger.cursor.executemany(_CONFIRM, keys))

    async def unconfirmed(self, older_than_seconds: float, limit: int) -> Sequence[Task]:
        reserved_until = micros(self._space.clock.now().at - timedelta(seconds=older_than_seconds))

        def work(reading: Reading) -> list[Task]:
            tasks = (task_of(row, reading.codec) for row in reading.rows(_UNCONFIRMED, (reserved_until, limit)))
            return [task for task in tasks if isinstance(task, Task)]

        return await self._space.read(work)
