"""Retention: what may go is looked for by the time of its end, and goes in steps that hold nobody up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from omnidaemon.adapters.redis.reading import read
from omnidaemon.adapters.redis.space import Outdated, RedisSpace
from omnidaemon.domain.agent import WORKERS_REMEMBERED
from omnidaemon.domain.instant import micros
from omnidaemon.domain.record import expired, is_expired

_AT_ONCE: Final = 200
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Retention:
    """One sweep. What `domain.record` calls expired goes; the rest of the candidates is passed over."""

    def __init__(self, space: RedisSpace, keep_from: datetime, dead_from: datetime | None) -> None:
        self._space = space
        self._keep_from = keep_from
        self._dead_from = dead_from or _LONG_AGO
        self._searches = {"ended": keep_from, "cancelled": keep_from}
        if dead_from is not None:
            self._searches["ended:dead"] = dead_from

    async def prune(self, limit: int) -> int:
        """Remove up to `limit` tasks, and whatever else has outlived its use; how many tasks were removed."""
        removed = 0
        for index, before in self._searches.items():
            passed_over = 0
            while removed < limit:
                task_ids = await self._candidates(index, before, passed_over)
                if not task_ids:
                    break
                gone = await self._remove(task_ids, limit - removed)
                removed += len(gone)
                # Those that went are not before the next ones any more. A task may be there for several runs.
                passed_over += sum(task_id not in gone for task_id in task_ids)
        await self._sweep()
        return removed

    async def _candidates(self, index: str, before: datetime, passed_over: int) -> list[str]:
        words = ("-inf", f"({micros(before)}", "LIMIT", passed_over, _AT_ONCE)
        members = await self._space.connection.command("ZRANGEBYSCORE", self._space.keys.of(index), *words)
        # Of runs, the index has "agent/task"; of cancelled tasks, the task alone.
        return [member.decode().partition("/")[2] or member.decode() for member in members]

    async def _remove(self, task_ids: list[str], limit: int) -> set[str]:
        space = self._space
        reading = await read(space, task_ids)
        ripe = [i for i, record in reading.records.items() if is_expired(record, self._keep_from, self._dead_from)]
        ripe = ripe[:limit]
        if not ripe:
            return set()
        view = reading.view(space, ripe)
        writes = space.writes(reading.now, view)
        writes.add(expired([reading.records[i] for i in ripe], self._keep_from, self._dead_from), reading.tasks)
        try:
            is_done = await space.apply(view, writes, reading.now)
        except Outdated:
            is_done = False
        # One that changed meanwhile is looked at again by the next sweep.
        return set(ripe) if is_done else set()

    async def _sweep(self) -> None:
        space = self._space
        keys, command = space.keys, space.connection.command
        now = space.clock.now()
        await command("ZREMRANGEBYSCORE", keys.of("tombstones"), "-inf", micros(now.at))
        while await space.script("trim", micros(self._keep_from), _AT_ONCE) >= _AT_ONCE:
            pass
        while await space.script("outbox_prune", micros(self._keep_from), _AT_ONCE) == _AT_ONCE:
            pass
        _, workers, _ = await space.census()
        until = micros(now.at - WORKERS_REMEMBERED)
        gone = [name for name, report in workers.items() if int(report.partition(b" ")[0]) < until]
        if gone:
            await command("HDEL", keys.of("workers"), *gone)
            await command("SREM", keys.of("drains"), *gone)
