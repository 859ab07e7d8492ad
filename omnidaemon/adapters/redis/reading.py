"""Whole tasks as the server keeps them, with all that a decision upon them rests on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from omnidaemon.adapters.redis.forms import Kept, kept_of, named_in, pairs, task_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.view import View
from omnidaemon.domain.instant import Instant, moment
from omnidaemon.domain.record import TaskRecord, answerable
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task, Unreadable

_AT_ONCE: Final = 501
"""Some milliseconds of the server, for which everybody else waits."""


@attrs.define
class Reading:
    """Some tasks at one time."""

    now: Instant
    records: dict[str, TaskRecord] = attrs.field(factory=dict)
    kept: dict[RunKey, Kept] = attrs.field(factory=dict)
    expectations: dict[str, Sequence[Any]] = attrs.field(factory=dict)

    @property
    def tasks(self) -> Mapping[str, Task | Unreadable]:
        """The tasks alone."""
        return {task_id: record.task for task_id, record in self.records.items()}

    def view(self, space: RedisSpace, task_ids: Iterable[str] | None = None) -> View:
        """A view that rests on these tasks as they are here; on all, when none are named."""
        chosen = set(self.records if task_ids is None else task_ids)
        view = View(space.codec, {key: kept for key, kept in self.kept.items() if key[0] in chosen})
        for task_id in chosen:
            view.expect_task(self.expectations[task_id])
        return view


async def read(space: RedisSpace, task_ids: Iterable[str]) -> Reading:
    """Those of the tasks that are known. Many are read in steps, each of them at one time."""
    reading = Reading(space.clock.now())
    async for now, rows in _steps(space, task_ids):
        reading.now = now
        for row in rows:
            _take_in(space, reading, row)
    return reading


async def _steps(space: RedisSpace, task_ids: Iterable[str]) -> AsyncIterator[tuple[Instant, Sequence[Any]]]:
    wanted = list(dict.fromkeys(task_ids))
    for start in range(0, len(wanted), _AT_ONCE):
        known = space.revision
        reply = await space.script("records", known, *wanted[start : start + _AT_ONCE])
        seconds, microseconds, revision, agents, rows = reply
        now = space.clock.note(seconds, microseconds)
        space.know_agents(revision, agents, asked=known)
        yield now, rows


def _take_in(space: RedisSpace, reading: Reading, row: Sequence[Any]) -> None:
    task_id, fields = row[0].decode(), pairs(row[2])
    runs = _kept(space, task_id, row, fields)
    reading.kept.update(((task_id, agent), kept) for agent, kept in runs.items())
    reading.expectations[task_id] = (
        task_id,
        len(fields),
        fields.get(b"a", "-"),
        int(b"x" in fields),
        int(bool(row[1])),
    )
    reading.records[task_id] = TaskRecord.of(
        task_of(space.codec, task_id, fields[b"t"], fields.get(b"f", b""), fields[b"b"]),
        **_told(space, row, fields, runs),
    )


def _kept(space: RedisSpace, task_id: str, row: Sequence[Any], fields: Mapping[bytes, bytes]) -> dict[str, Kept]:
    """The task's runs, by their agents in order."""
    leases = pairs(row[3])
    names = sorted(name for name in fields if name.startswith(b"r:"))
    return {
        (agent := name[2:].decode()): kept_of((task_id, agent), fields[name], leases.get(name[2:]), space.codec)
        for name in names
    }


def _told(
    space: RedisSpace, row: Sequence[Any], fields: Mapping[bytes, bytes], runs: Mapping[str, Kept]
) -> dict[str, Any]:
    """What is told of a task beside its content."""
    created_at = moment(int(fields[b"c"]))
    return {
        "created_at": created_at,
        "agents": answerable(named_in(fields.get(b"a")), fields[b"t"].decode(), created_at, space.agents),
        "runs": tuple([kept.run for kept in runs.values() if kept.run is not None]),
        "is_cancelled": b"x" in fields,
        "scheduled_for": moment(int(float(row[1]))) if row[1] else None,
    }
