"""Holds: the stretches of the queues whose messages somebody has received. A message itself is written once."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

import apsw
import attrs

from omnidaemon.domain.instant import Instant
from omnidaemon.domain.names import Subscription

_HOLD_SECONDS: Final = 5.0
_END: Final = 2**62
"""Above every seq."""

LIVE: Final = "held_until > :now AND held_until <= :farthest"
"""Of a hold: that it has not run out. One that reaches further than any can comes from before a reboot."""

FREE: Final = f"""NOT EXISTS (
    SELECT 1 FROM bus_holds AS held WHERE held.topic = bus_messages.topic AND held.agent = bus_messages.agent
    AND held.first_seq <= bus_messages.seq AND held.last_seq >= bus_messages.seq AND {LIVE}
)"""
"""Of a message: that nobody holds it."""

_DROP_VOID: Final = f"DELETE FROM bus_holds WHERE topic = :topic AND agent = :agent AND NOT ({LIVE})"
_HELD: Final = "SELECT first_seq, last_seq FROM bus_holds WHERE topic = ? AND agent = ? ORDER BY first_seq"
# Nothing while the backlog is moved in: a stretch has no room for what comes into it later.
_BETWEEN: Final = """
    SELECT message_id, seq, task_id, body FROM bus_messages
    WHERE topic = ?1 AND agent = ?2 AND seq > ?3 AND seq < ?4
    AND NOT EXISTS (SELECT 1 FROM bus_subscriptions WHERE topic = ?1 AND agent = ?2 AND awaits_backlog = 1)
    ORDER BY seq LIMIT ?5
"""
_HOLD: Final = "INSERT INTO bus_holds (topic, agent, first_seq, last_seq, holder, held_until) VALUES (?, ?, ?, ?, ?, ?)"
_IS_HELD: Final = "SELECT 1 FROM bus_holds WHERE topic = ? AND agent = ? AND first_seq = ? AND holder = ?"
_LET_GO: Final = "DELETE FROM bus_holds WHERE topic = ? AND agent = ? AND first_seq = ? AND holder = ?"
# Row numbers are given again: to what comes later, and to the copies of an old message that further agents get. Neither
# is in this queue within this stretch. The plus signs leave the finding to the row numbers.
_FORGET: Final = """
    DELETE FROM bus_messages
    WHERE message_id IN carray(?) AND +topic = ? AND +agent = ? AND +seq BETWEEN ? AND ?
"""

Message = tuple[int, int, str, bytes]
"""Row number, seq, the task's id, and the body."""


@attrs.frozen(eq=False)
class Hold:
    """A stretch of a queue that was received at once, by whoever is named so and by nobody else ever."""

    topic: str
    agent: str
    first_seq: int
    last_seq: int
    holder: str

    @property
    def key(self) -> tuple[str, str, int, str]:
        """As statements bind it."""
        return (self.topic, self.agent, self.first_seq, self.holder)

    @property
    def stretch(self) -> tuple[str, str, int, int]:
        """Its queue, its first seq and its last, as statements bind them."""
        return (self.topic, self.agent, self.first_seq, self.last_seq)


@attrs.frozen
class Acks:
    """Messages of one hold that are to be forgotten; `are_last` when it has none besides."""

    hold: Hold
    message_ids: Sequence[int]
    are_last: bool


Taken = tuple[Hold, list[Message]]


def hold_terms(now: Instant) -> dict[str, Any]:
    """The bindings by which holds are judged."""
    return {"now": now.steady, "farthest": now.steady + _HOLD_SECONDS}


def take(cursor: apsw.Cursor, queue: Subscription, most: int, holder: str, now: Instant) -> Iterator[Taken]:
    """Up to so many messages that nobody holds, oldest first, held from now on: stretch by stretch of the queue."""
    key = (queue.topic, queue.agent)
    terms = hold_terms(now)
    # Whoever comes back to a hold that has run out shall find that it is no longer his.
    cursor.execute(_DROP_VOID, {"topic": queue.topic, "agent": queue.agent, **terms})
    after = -1
    held: list[Any] = cursor.execute(_HELD, key).fetchall()
    for first_held, last_held in (*held, (_END, _END)):
        rows: list[Any] = cursor.execute(_BETWEEN, (*key, after, first_held, most)).fetchall()
        if rows:
            hold = Hold(*key, rows[0][1], rows[-1][1], holder)
            cursor.execute(_HOLD, (*key, hold.first_seq, hold.last_seq, holder, terms["farthest"]))
            yield hold, rows
            most -= len(rows)
        if most <= 0:
            return
        after = max(after, last_held)


def forget(cursor: apsw.Cursor, acks: Sequence[Acks]) -> None:
    """Delete the messages of those of the holds that nobody else has taken over."""
    for each in acks:
        if each.are_last:
            cursor.execute(f"{_LET_GO} RETURNING 1", each.hold.key)
        else:
            cursor.execute(_IS_HELD, each.hold.key)
        if cursor.fetchone() is not None:
            cursor.execute(_FORGET, (apsw.carray(array("q", each.message_ids)), *each.hold.stretch))


def give_back(cursor: apsw.Cursor, holds: Sequence[Hold]) -> None:
    """Let others have what is left of these holds."""
    cursor.executemany(_LET_GO, [hold.key for hold in holds])
