"""Listings, newest task first: candidates come from indexes, and the domain says which of them match."""

from __future__ import annotations

from itertools import product
from typing import Final

from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.standings import read_standings
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import RunState, Status
from omnidaemon.ports.run_queries import Page, TaskFilter

_STEP: Final = 100
_UNBEGUN: Final = (None, Status.QUEUED)
_OF_TOPIC: Final = {Status.SCHEDULED: "scheduled", Status.CANCELLED: "marked"}
"""Of tasks that are not yet due, or cancelled as a whole, each topic has an index: most have no run to be found by."""

NO_LIMIT: Final = 2**53


class Listing:
    """One filter. An index may hold more than what matches, never less."""

    def __init__(self, space: RedisSpace, wanted: TaskFilter) -> None:
        self._space = space
        self._wanted = wanted

    async def page(self, before: int, limit: int) -> Page:
        """Up to `limit` tasks below a position."""
        wanted, indexes = self._wanted, await self._indexes()
        found: list[tuple[int, TaskStanding]] = []
        while indexes and len(found) <= limit:
            places, floor = await self._places(indexes, before, limit + 1)
            found += [
                (places[standing.task_id], standing)
                for standing in await read_standings(self._space, list(places))
                if standing.matches(status=wanted.status, topic=wanted.topic, agent=wanted.agent)
            ]
            if floor is None:
                break
            before = floor
        return Page.of(found, limit)

    async def _places(self, indexes: list[str], before: int, many: int) -> tuple[dict[str, int], int | None]:
        """The positions of the next candidates of all indexes, newest first, and below which those after them are."""
        many = max(many, _STEP)
        places: dict[str, int] = {}
        floor: int | None = None
        for rows in await self._space.script("newest", before, many, *indexes):
            positions = list(map(int, rows[1::2]))
            places.update(zip(map(bytes.decode, rows[::2]), positions, strict=True))
            if len(positions) == many:
                floor = positions[-1] if floor is None else max(floor, positions[-1])
        if len(indexes) == 1:
            return places, floor
        ordered = sorted(places, key=places.__getitem__, reverse=True)
        return {task_id: places[task_id] for task_id in ordered if floor is None or places[task_id] >= floor}, floor

    async def _indexes(self) -> list[str]:
        status, topic, agent = self._wanted.status, self._wanted.topic, self._wanted.agent
        if status is None and agent is None and topic is None:
            return ["tasks"]
        # By name, since there may be many thousands: all that begin with the topic and a slash, which "0" comes after.
        span = ("-", "+") if topic is None else (f"[{topic}/", f"({topic}0")
        members = await self._space.connection.command("ZRANGE", self._space.keys.of("pairs"), *span, "BYLEX")
        pairs = sorted(tuple(member.decode().split("/")) for member in members)
        pairs += [pair for pair in {(each, "") for each, _ in pairs} if pair not in pairs]
        chosen = [pair for pair in pairs if topic in (None, pair[0]) and (agent in (None, pair[1]) or not pair[1])]
        states = [state for state in RunState if status in (None, Status(state))]
        indexes = [f"in:{state.value}:{each}/{name}" for state, (each, name) in product(states, chosen) if name]
        if status in _UNBEGUN:
            indexes += [f"unbegun:{each}/{name}" for each, name in chosen]
        if status is not None and status in _OF_TOPIC:
            indexes += [f"{_OF_TOPIC[status]}:{each}" for each in dict(chosen)]
        return indexes
