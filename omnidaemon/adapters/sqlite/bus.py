"""The SQLite bus: a queue per subscription, in one table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

import apsw
import attrs

from omnidaemon.adapters.sqlite.database import Database
from omnidaemon.adapters.sqlite.doorbell import Ring
from omnidaemon.adapters.sqlite.erasing import erase
from omnidaemon.adapters.sqlite.faults import StoredOrNot
from omnidaemon.adapters.sqlite.holds import FREE, LIVE, hold_terms
from omnidaemon.adapters.sqlite.inbox import SqliteInbox
from omnidaemon.adapters.sqlite.ledger import Ledger
from omnidaemon.adapters.sqlite.many_rows import for_many, write_many
from omnidaemon.adapters.sqlite.reading import as_array
from omnidaemon.adapters.sqlite.space import SqliteSpace
from omnidaemon.adapters.sqlite.task_log import encoded, log
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.domain.journal import EventKind
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import Erasable
from omnidaemon.ports.bus import (
    BusCapabilities,
    BusInspector,
    Confirmation,
    Depth,
    EventBus,
    Inbox,
    LoggingBus,
    Receipt,
)
from omnidaemon.ports.clock import Clock
from omnidaemon.ports.codec import Codec

_AT_ONCE: Final = 1000
"""How many messages one transaction moves or drops: some ten milliseconds, for which everybody else waits."""

_ADVANCE: Final = """
    INSERT INTO counters (name, latest) VALUES ('messages', ?)
    ON CONFLICT DO UPDATE SET latest = latest + excluded.latest RETURNING latest
"""
_LATEST: Final = "SELECT ifnull(max(latest), 0) FROM counters WHERE name = 'messages'"
_ADD: Final = for_many(
    lambda given: f"{given} INSERT INTO bus_messages (topic, agent, seq, task_id, body) SELECT * FROM given",
    ("topic", "agent", "seq", "task_id", "body"),
)
_SUBSCRIBERS: Final = "SELECT topic, agent FROM json_each(?) CROSS JOIN bus_subscriptions ON topic = value"
_AWAITING: Final = "SELECT agent FROM bus_subscriptions WHERE topic = ? AND awaits_backlog = 1"
_COPY: Final = f"""
    INSERT INTO bus_messages (topic, agent, seq, task_id, body)
    SELECT topic, ?2, seq, task_id, body FROM bus_messages WHERE topic = ?1 AND agent = '' ORDER BY seq LIMIT {_AT_ONCE}
"""
_MOVE: Final = f"""
    UPDATE bus_messages SET agent = ?2 WHERE message_id IN (
        SELECT message_id FROM bus_messages WHERE topic = ?1 AND agent = '' ORDER BY seq LIMIT {_AT_ONCE}
    )
"""
_DROP: Final = f"""
    DELETE FROM bus_messages WHERE message_id IN (
        SELECT message_id FROM bus_messages WHERE topic = ?1 AND agent = ?2 AND seq <= ?3 ORDER BY seq LIMIT {_AT_ONCE}
    )
"""
_DROP_FREE: Final = f"""
    DELETE FROM bus_messages WHERE message_id IN (
        SELECT message_id FROM bus_messages WHERE topic = :topic AND agent = :agent AND seq <= :latest AND {FREE}
        ORDER BY seq LIMIT {_AT_ONCE}
    )
"""
_DEPTHS: Final = "SELECT topic, agent, count(*) FROM bus_messages GROUP BY topic, agent"
_HELD: Final = f"""
    SELECT count(*) FROM bus_holds CROSS JOIN bus_messages USING (topic, agent)
    WHERE topic = :topic AND agent = :agent AND seq BETWEEN first_seq AND last_seq AND {LIVE}
"""


class SqliteBus(EventBus, LoggingBus, BusInspector, Erasable):
    """Durable on commit, for any number of processes of one machine."""

    capabilities = BusCapabilities(name="sqlite", is_host_local=True)

    def __init__(self, database: Database, clock: Clock, codec: Codec) -> None:
        self._database = database
        self._clock = clock
        self._codec = codec
        self._space = SqliteSpace(database, clock, codec)
        self.capabilities = attrs.evolve(self.capabilities, transaction_scope=database.scope)

    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        """What waited is moved in steps; should this process die meanwhile, the repeated call goes on with it."""
        await self._repeat(lambda cursor: _declare(cursor, subscriptions))
        for topic in sorted({subscription.topic for subscription in subscriptions}):
            await self._repeat(partial(_move_backlog, topic=topic))

    def is_missing(self) -> bool:
        return not self._database.path.exists()

    async def erase(self) -> None:
        """A storage in the same file goes with it."""
        await erase(self._database)

    async def retire(self, subscription: Subscription) -> None:
        key = (subscription.topic, subscription.agent)

        def begin(cursor: apsw.Cursor) -> int:
            cursor.execute("DELETE FROM bus_subscriptions WHERE topic = ? AND agent = ?", key)
            cursor.execute("DELETE FROM bus_holds WHERE topic = ? AND agent = ?", key)
            return _latest(cursor)

        # Only what came before: it may be declared anew while this goes on.
        latest = await self._database.write(begin)
        await self._repeat(lambda cursor: _changed(cursor, _DROP, (*key, latest)) < _AT_ONCE)

    async def _repeat(self, step: Callable[[apsw.Cursor], bool]) -> None:
        """Take a step in a transaction of its own until it says that it was the last."""
        while not await self._database.write(step, rings=Ring.EVERYBODY):
            pass

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        bodies = [self._codec.encode_task(task) for task in tasks]
        work = partial(_hand_out, tasks=tasks, bodies=bodies)
        return await self._receipts(tasks, self._database.write(work, rings=Ring.EVERYBODY))

    async def publish_logged(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        logged = encoded(self._codec, tasks)
        bodies = [logged[task.task_id] for task in tasks]

        def work(ledger: Ledger) -> Mapping[str, Sequence[str]]:
            log(ledger, tasks, EventKind.PUBLISHED, logged)
            return _hand_out(ledger.cursor, tasks, bodies)

        return await self._receipts(tasks, self._space.write(work, rings=Ring.EVERYBODY))

    async def _receipts(
        self, tasks: Sequence[Task], handing_out: Awaitable[Mapping[str, Sequence[str]]]
    ) -> Sequence[Receipt]:
        try:
            subscribers = await handing_out
        except BackendUnavailable as error:
            # Of all else the database says so only if it has not stored it.
            said = Confirmation.UNKNOWN if isinstance(error, StoredOrNot) else Confirmation.FAILED
            return [Receipt(task_id=task.task_id, confirmation=said, reason=str(error)) for task in tasks]
        return [
            Receipt(
                task_id=task.task_id,
                confirmation=Confirmation.CONFIRMED,
                receivers=len(subscribers.get(task.topic, ())),
            )
            for task in tasks
        ]

    async def purge(self, topic: str) -> int:
        """What an inbox holds just now is on its way to the store, and stays."""

        def read(cursor: apsw.Cursor) -> tuple[int, list[str]]:
            return _latest(cursor), [row[1] for row in cursor.execute(_SUBSCRIBERS, [as_array([topic])])]

        def drop(cursor: apsw.Cursor, agent: str) -> int:
            # By the clock of just now: who has received something a moment ago holds it.
            terms = {"topic": topic, "agent": agent, "latest": latest, **hold_terms(self._clock.now())}
            return _changed(cursor, _DROP_FREE, terms)

        latest, agents = await self._database.read(read)
        dropped = 0
        for agent in (*agents, ""):
            step = _AT_ONCE
            while step == _AT_ONCE:
                step = await self._database.write(partial(drop, agent=agent))
                dropped += step
        return dropped

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> Inbox:  # noqa: ARG002 - the credits name them
        return SqliteInbox(self._database, self._clock, self._codec)

    async def depths(self) -> Sequence[Depth]:
        terms = hold_terms(self._clock.now())

        def work(cursor: apsw.Cursor) -> list[Depth]:
            counts = dict.fromkeys(cursor.execute("SELECT topic, agent FROM bus_subscriptions"), 0)
            counts |= {(topic, agent): count for topic, agent, count in cursor.execute(_DEPTHS)}
            depths = []
            for topic, agent in sorted(counts):
                held: int = cursor.execute(_HELD, {"topic": topic, "agent": agent, **terms}).get
                waiting = counts[topic, agent] - held
                depths.append(Depth(topic=topic, agent=agent or None, waiting=waiting, held=held))
            return depths

        return await self._database.read(work)

    async def __aenter__(self) -> Self:
        await self._space.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._database.close()


def _hand_out(cursor: apsw.Cursor, tasks: Sequence[Task], bodies: Sequence[bytes]) -> Mapping[str, Sequence[str]]:
    """Put these into the queues of their topics' agents; who they are."""
    subscribers: defaultdict[str, list[str]] = defaultdict(list)
    for topic, agent in cursor.execute(_SUBSCRIBERS, [as_array({task.topic for task in tasks})]):
        subscribers[topic].append(agent)
    latest: int = cursor.execute(_ADVANCE, (len(tasks),)).get
    numbered = zip(range(latest - len(tasks) + 1, latest + 1), tasks, bodies, strict=True)
    rows = [
        (task.topic, agent, seq, task.task_id, body)
        for seq, task, body in numbered
        for agent in subscribers.get(task.topic, ("",))
    ]
    write_many(cursor, _ADD, rows)
    return subscribers


def _declare(cursor: apsw.Cursor, subscriptions: Mapping[Subscription, Start]) -> bool:
    """Insert the subscriptions that are new; False when something had to be cleared away first."""
    known = {(topic, agent) for topic, agent in cursor.execute("SELECT topic, agent FROM bus_subscriptions")}
    fresh = {s: start for s, start in subscriptions.items() if (s.topic, s.agent) not in known}
    latest = _latest(cursor)
    # Left by a retire() that was killed. It is not this subscription's.
    if any(_changed(cursor, _DROP, (s.topic, s.agent, latest)) for s in fresh):
        return False
    settled = {topic for topic, _ in known}
    cursor.executemany(
        "INSERT INTO bus_subscriptions VALUES (?, ?, ?)",
        [(s.topic, s.agent, start is Start.BACKLOG and s.topic not in settled) for s, start in fresh.items()],
    )
    return True


def _move_backlog(cursor: apsw.Cursor, topic: str) -> bool:
    """Move some of what waits on the topic to the agents that shall have it; True when that was all."""
    agents = [agent for (agent,) in cursor.execute(_AWAITING, (topic,))]
    if not agents:
        return True
    for agent in agents[1:]:
        cursor.execute(_COPY, (topic, agent))
    if _changed(cursor, _MOVE, (topic, agents[0])) == _AT_ONCE:
        return False
    cursor.execute("UPDATE bus_subscriptions SET awaits_backlog = 0 WHERE topic = ?", (topic,))
    return True


def _latest(cursor: apsw.Cursor) -> int:
    latest: int = cursor.execute(_LATEST).get
    return latest


def _changed(cursor: apsw.Cursor, statement: str, bindings: apsw.Bindings) -> int:
    """How many rows the statement changed."""
    before = cursor.connection.total_changes()
    cursor.execute(statement, bindings)
    return cursor.connection.total_changes() - before
