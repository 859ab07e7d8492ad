"""Whole tasks as the server keeps them, with all that a decision upon them rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from omnidaemon.adapters.redis.forms import Kept, kept_of, named_in, pairs, task_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.view import View
from omnidaemon.domain.instant import Instant, moment
from omnidaemon.domain.record import TaskRecord, answerable
from omnidaemon.domain.run import RunKey
from omnidaemon.domain.task import Task, Unreadable

_AT_ONCE: Final = 500


@attrs.define
class Reading:
    """Some tasks at one time. `positions` are their places in the listings."""

    now: Instant
    records: dict[str, TaskRecord] = attrs.field(factory=dict)
    positions: dict[str, int] = attrs.field(factory=dict)
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
    wanted = list(dict.fromkeys(task_ids))
    reading = Reading(space.clock.now())
    for start in range(0, len(wanted), _AT_ONCE):
        reply = await space.script("records", space.revision, *wanted[start : start + _AT_ONCE])
        seconds, microseconds, revision, agents, rows = reply
        reading.now = space.clock.note(seconds, microseconds)
        space.know_agents(revision, agents)
        for row in rows:
            _take_in(space, reading, row)
    return reading


def _take_in(space: RedisSpace, reading: Reading, row: Sequence[Any]) -> None:
    task_id = row[0].decode()
    is_scheduled, flat, leases = row[1], row[2], pairs(row[3])
    fields = pairs(flat)
    task = task_of(space.codec, task_id, fields[b"t"], fields[b"f"], fields[b"b"])
    created_at = moment(int(fields[b"c"]))
    runs: dict[str, Kept] = {}
    for name, record in fields.items():
        if name.startswith(b"r:"):
            agent = name[2:].decode()
            runs[agent] = reading.kept[task_id, agent] = kept_of(
                (task_id, agent), record, leases.get(name[2:]), space.codec
            )
    named = fields.get(b"a")
    reading.positions[task_id] = int(fields[b"n"])
    reading.expectations[task_id] = (
        task_id,
        len(fields),
        "-" if named is None else named,
        int(b"x" in fields),
        is_scheduled,
    )
    reading.records[task_id] = TaskRecord(
        task=task,
        created_at=created_at,
        agents=answerable(named_in(named), task.topic, created_at, space.agents),
        runs=tuple(kept.run for _, kept in sorted(runs.items()) if kept.run is not None),
        is_cancelled=b"x" in fields,
        is_scheduled=bool(is_scheduled),
    )
