"""How tasks stand, without what they say: only what a listing shows of them is read and decoded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.forms import named_in, run_standing_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.domain.instant import moment
from omnidaemon.domain.record import answerable
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.standing import TaskStanding

_AT_ONCE: Final = 251
"""Four steps for the largest page of a listing, and the task by which it knows that there is more."""

_ASKED: Final = 2
"""The server reads one step while another is decoded here."""


async def read_standings(space: RedisSpace, task_ids: Sequence[str]) -> list[TaskStanding]:
    """How those of the tasks stand that are known, in this order. Many are read in steps, each of them at one time."""
    steps = [task_ids[start : start + _AT_ONCE] for start in range(0, len(task_ids), _AT_ONCE)]
    asked: deque[tuple[str, asyncio.Task[Any]]] = deque()
    standings: list[TaskStanding] = []
    try:
        for at, step in enumerate(steps):
            for following in steps[at + len(asked) : at + _ASKED]:
                known = space.revision
                asked.append((known, asyncio.create_task(space.script("standings", known, *following))))
            known, answer = asked[0]
            revision, agents, told = await answer
            asked.popleft()
            space.know_agents(revision, agents, asked=known)
            standings += _standings(space, step, told)
    finally:
        for _, each in asked:
            each.cancel()
        await asyncio.gather(*(each for _, each in asked), return_exceptions=True)
    return standings


def _standings(space: RedisSpace, task_ids: Iterable[str], told: Sequence[Any]) -> Iterator[TaskStanding]:
    ids = iter(task_ids)
    for names, tasks in told:
        begun = [name.decode() for name in names]
        for (name, created, named, mark, due, _, *records), task_id in zip(tasks, ids, strict=False):
            if name is None:
                continue
            topic, created_at = name.decode(), moment(int(created))
            runs: list[RunStanding] = []
            for agent, record in zip(begun, records, strict=True):
                if record is not None:
                    runs.append(run_standing_of(task_id, agent, record, space.codec))
            agents = answerable(named_in(named), topic, created_at, space.agents)
            due_at = None if due is None else moment(int(float(due)))
            yield TaskStanding(task_id, topic, created_at, agents, tuple(runs), mark is not None, due_at)
