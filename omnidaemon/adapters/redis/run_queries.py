"""Queries over the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.forms import pairs, subscription_of
from omnidaemon.adapters.redis.listing import NO_LIMIT, Listing
from omnidaemon.adapters.redis.reading import read
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.record import TaskRecord
from omnidaemon.domain.states import RunState, Status
from omnidaemon.ports.run_queries import Page, RunQueries, TaskFilter

_LONGEST_CURSOR: Final = 15


class RedisRunQueries(RunQueries):
    """Each answer is of one time; a page, and what is asked of many tasks, is read in steps."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    async def records(self, task_ids: Sequence[str]) -> Mapping[str, TaskRecord]:
        return (await read(self._space, task_ids)).records

    async def ended(self, task_ids: Sequence[str]) -> Sequence[str]:
        return [task_id.decode() for task_id in await self._space.script("ended", *task_ids)]

    async def find(self, wanted: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page:
        return await Listing(self._space, wanted).page(_position(cursor), limit)

    async def counts(self) -> Mapping[tuple[Subscription, Status], int]:
        states = list(RunState)
        rows = await self._space.script("counts", *(state.value for state in states))
        return {
            (subscription_of(name), Status(state)): count
            for name, counts in rows
            for state, count in zip(states, counts, strict=True)
            if count
        }

    async def metrics(self) -> Mapping[Subscription, Metrics]:
        flat = await self._space.script("metrics")
        counts: defaultdict[Subscription, dict[str, Any]] = defaultdict(dict)
        timings: defaultdict[Subscription, list[tuple[int, int]]] = defaultdict(list)
        for field, amount in pairs(flat).items():
            name, _, what = field.partition(b":")
            if what.isdigit():
                timings[subscription_of(name)].append((int(what), int(amount)))
            else:
                number = float(amount) if what == b"seconds_sum" else int(amount)
                counts[subscription_of(name)][what.decode()] = number
        return {each: Metrics(**counts[each], timings=tuple(sorted(timings[each]))) for each in counts}


def _position(cursor: str | None) -> int:
    if cursor is None:
        return NO_LIMIT
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > _LONGEST_CURSOR:
        raise InvalidValue("cursor", cursor, "a cursor from an earlier page")
    return int(cursor)
