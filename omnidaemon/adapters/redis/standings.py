"""How tasks stand, without what they say: only what a listing shows of them is read and decoded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from omnidaemon.adapters.redis.asking import FIELDS, Shape, standing_commands
from omnidaemon.adapters.redis.forms import named_in, run_standings
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.instant import moment
from omnidaemon.domain.record import answerable, answerable_since
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.values import Value

_FIRST: Final = 101
_AT_ONCE: Final = 251
"""A step is twice as long as the one before, up to this: nothing is decoded while the first one is read. It takes in a
page of the usual length, and the task by which that knows that there is more."""

_ASKED: Final = 2
"""The server reads one step while another is decoded here."""

_MOST_AGENTS: Final = 8
"""Whose runs are asked for by plain commands. Where there are those of more, the script asks each task for its own."""

_UNASKED: Final = 2
"""The fields that nearly every task has and nobody asks for: what it says, and its position. One with a further field,
as those have that were begun before they were logged, is read by the script each time."""


async def read_standings(space: RedisSpace, task_ids: Sequence[str]) -> list[TaskStanding]:
    """How those of the tasks stand that are known, in this order. Many are read in steps, each of them at one time; but
    for tasks that are otherwise than believed, which are read once more."""
    reading = _Reading(space)
    steps = list(_steps(task_ids))
    asked: deque[asyncio.Task[_Told]] = deque()
    standings: list[TaskStanding] = []
    try:
        for at in range(len(steps)):
            for following in steps[at + len(asked) : at + _ASKED]:
                asked.append(asyncio.create_task(reading.ask(following)))
            told = await asked[0]
            asked.popleft()
            standings += [each for each in await reading.standings(told) if each is not None]
    finally:
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return standings


def _steps(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    start, many = 0, _FIRST
    while start < len(task_ids):
        yield task_ids[start : start + many]
        start, many = start + many, min(2 * many, _AT_ONCE)


class _Told(Value, gc=True):
    """What the server has said of some tasks. `revision` of the agents was known when it was asked; without a `shape`,
    it was asked by the script."""

    task_ids: Sequence[str]
    revision: str
    shape: Shape | None
    reply: Sequence[Any]


_Standings = list[TaskStanding | None]
"""For each task that was asked for, None for one that there is not."""


class _Reading:
    """Nearly always, tasks have runs of the same few agents as those that were listed before. So these are asked for by
    plain commands, which cost the server half of what a script does with the same; and with them how many fields each
    task has, which says whether that was all. They stand in one transaction: were a run removed between the two, one
    that nobody asked for would not be missed. Whatever is otherwise than believed is read by the script, which finds
    all that there is.
    """

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        self._decoders: dict[str, Callable[[str, bytes], RunStanding]] = {}

    async def ask(self, task_ids: Sequence[str]) -> _Told:
        """What the server says of these tasks, not yet decoded."""
        space = self._space
        revision, shape = space.revision, space.shape
        if shape.agents is None:
            return await self._ask_script(task_ids)
        commands, many = standing_commands(space.keys.prefix, task_ids, shape)
        return _Told(task_ids, revision, shape, await space.connection.together(commands, many))

    async def _ask_script(self, task_ids: Sequence[str]) -> _Told:
        revision = self._space.revision
        return _Told(task_ids, revision, None, await self._space.script("standings", revision, *task_ids))

    async def standings(self, told: _Told) -> _Standings:
        """How the tasks stand of which this tells."""
        space, task_ids, shape = self._space, told.task_ids, told.shape
        if shape is None:
            return self._of_script(told)
        revision, has_schedules, *of_tasks = told.reply
        if bool(has_schedules) != shape.has_schedules:
            space.shape = Shape(space.shape.agents, bool(has_schedules))
        if (revision or b"0").decode() != space.revision or (has_schedules and not shape.has_schedules):
            return self._of_script(await self._ask_script(task_ids))
        standings, others = self._as_believed(task_ids, shape, of_tasks)
        if others:
            read = self._of_script(await self._ask_script([task_ids[place] for place in others]))
            for place, standing in zip(others, read, strict=True):
                standings[place] = standing
        return standings

    def _as_believed(
        self, task_ids: Sequence[str], shape: Shape, of_tasks: Sequence[Any]
    ) -> tuple[_Standings, Sequence[int]]:
        """The standings, and at which places are tasks that have more than was asked for."""
        each = shape.commands_of_each
        dues = of_tasks[2::each] if shape.has_schedules else [None] * len(task_ids)
        columns = tuple(enumerate(map(self._decoder, shape.agents or ()), len(FIELDS)))
        known = self._space.agents
        kinds: dict[tuple[bytes, bytes | None], _Kind] = {}
        standings: _Standings = []
        others: list[int] = []
        for task_id, values, count, due in zip(task_ids, of_tasks[::each], of_tasks[1::each], dues, strict=True):
            if count != len(values) - values.count(None) + _UNASKED:
                if count:
                    others.append(len(standings))
                standings.append(None)
                continue
            name, created, stored, mark = values[:4]
            kind = kinds.get((name, stored))
            if kind is None:
                topic, named = name.decode(), named_in(stored)
                kind = kinds[name, stored] = topic, named, answerable_since(named, topic, known)
            topic, named, since = kind
            created_at = moment(int(created))
            runs: tuple[RunStanding, ...] = ()
            for place, decode in columns:
                if (record := values[place]) is not None:
                    runs += (decode(task_id, record),)
            if named is not None and since is not None and created_at >= since:
                agents = named
            else:
                agents = answerable(named, topic, created_at, known)
            due_at = None if due is None else _due_at(due)
            standings.append(TaskStanding(task_id, topic, created_at, agents, runs, mark is not None, due_at))
        return standings, others

    def _of_script(self, told: _Told) -> _Standings:
        """What the script tells. From now on, these agents' runs are asked for too."""
        space = self._space
        revision, flat, groups = told.reply
        space.know_agents(revision, flat, asked=told.revision)
        task_ids = iter(told.task_ids)
        standings: _Standings = []
        seen = set(space.shape.agents or ())
        for names, tasks in groups:
            decoders = [self._decoder(name.decode()) for name in names]
            for (name, created, named, mark, due, _, *records), task_id in zip(tasks, task_ids, strict=False):
                if name is None:
                    standings.append(None)
                    continue
                topic, created_at = name.decode(), moment(int(created))
                begun = [
                    decode(task_id, record)
                    for decode, record in zip(decoders, records, strict=True)
                    if record is not None
                ]
                seen.update([run.subscription.agent for run in begun])
                agents = answerable(named_in(named), topic, created_at, space.agents)
                is_cancelled, due_at = mark is not None, None if due is None else _due_at(due)
                standings.append(TaskStanding(task_id, topic, created_at, agents, tuple(begun), is_cancelled, due_at))
        agents_now = tuple(sorted(seen)) if len(seen) <= _MOST_AGENTS else None
        space.shape = Shape(agents_now, space.shape.has_schedules)
        return standings

    def _decoder(self, agent: str) -> Callable[[str, bytes], RunStanding]:
        decoder = self._decoders.get(agent)
        if decoder is None:
            decoder = self._decoders[agent] = run_standings(agent, self._space.codec)
        return decoder


_Kind = tuple[str, tuple[str, ...] | None, datetime | None]
"""The topic of some tasks, the agents named for them, and from when on each of those must end one."""


def _due_at(score: bytes | float) -> datetime:
    """A score is a text in what a script answers, and a number in what a command does."""
    return moment(int(float(score)))
