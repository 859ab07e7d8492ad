"""The journal as a stream, whose events are numbered by the namespace's own counter."""

from __future__ import annotations

from collections.abc import Sequence

from omnidaemon.adapters.redis.journal_forms import event_of, events_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.view import View
from omnidaemon.adapters.redis.writes import Writes
from omnidaemon.domain.instant import Instant
from omnidaemon.domain.journal import JournalEvent, entries_of
from omnidaemon.ports.journal import Journal


class RedisJournal(Journal):
    """Trimmed by retention alone. Of each task there is a list of its positions beside the stream.

    Positions are counted in the script that adds the entries, so nobody sees a higher one before a lower one.
    """

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    async def append(self, events: Sequence[JournalEvent]) -> None:
        view = View(self._space.codec, {})

        def decide(now: Instant) -> tuple[None, Writes]:
            writes = self._space.writes(now, view)
            writes.add_entries(entries_of(events))
            return None, writes

        await self._space.settle(view, decide)

    async def read(self, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[JournalEvent]:
        space = self._space
        if task_id is not None:
            flat = await space.script("events", task_id, after, limit)
            return [event_of(int(at), task_id, terms) for at, terms in zip(flat[::2], flat[1::2], strict=True)]
        flat = await space.script("journal", after + 1, limit)
        entries = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        events = [event for first, terms, tasks in entries for event in events_of(int(first), terms, tasks)]
        return [event for event in events if event.position > after][:limit]

    async def latest(self) -> int:
        return int(await self._space.connection.command("GET", self._space.keys.of("journal:latest")) or 0)
