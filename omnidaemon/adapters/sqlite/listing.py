"""Listings, newest task first: candidates come from indexes, lazily, and the domain says which of them match."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Final

from omnidaemon.adapters.sqlite.reading import Reading
from omnidaemon.adapters.sqlite.standings import standings
from omnidaemon.domain.standing import TaskStanding
from omnidaemon.domain.states import RunState, Status
from omnidaemon.ports.run_queries import Page, TaskFilter

_STEP: Final = 100
_NO_LIMIT: Final = 2**62

_TASKS: Final = "SELECT position FROM tasks WHERE position < ? ORDER BY position DESC LIMIT ?"
_OF_TOPIC: Final = "SELECT position FROM tasks WHERE topic = ? AND position < ? ORDER BY position DESC LIMIT ?"
_CANCELLED: Final = "SELECT position FROM tasks WHERE is_cancelled = 1 AND position < ? ORDER BY position DESC LIMIT ?"
_SCHEDULED: Final = "SELECT position FROM schedules WHERE position < ? ORDER BY position DESC LIMIT ?"
_UNBEGUN: Final = """
    SELECT position FROM unbegun WHERE topic = ? AND agent = ? AND position < ? ORDER BY position DESC LIMIT ?
"""
_AT_REST: Final = """
    SELECT position FROM runs WHERE state = ? AND state <> 'running' AND topic = ? AND agent = ? AND position < ?
    ORDER BY position DESC LIMIT ?
"""
_RUNNING: Final = "SELECT position FROM runs WHERE state = 'running' AND position < ? ORDER BY position DESC LIMIT ?"
_PAIRS: Final = "SELECT topic, agent FROM metrics UNION SELECT topic, agent FROM agents"
_PAIRS_ON: Final = """
    SELECT topic, agent FROM metrics WHERE topic = ?1 UNION SELECT topic, agent FROM agents WHERE topic = ?1
"""

Source = tuple[str, tuple[str, ...]]
"""A statement that gives positions below one, and its bindings before that."""


class Listing:
    """One filter over one snapshot."""

    def __init__(self, reading: Reading, wanted: TaskFilter) -> None:
        self._reading = reading
        self._wanted = wanted

    def page(self, before: int | None, limit: int) -> Page:
        """Up to `limit` tasks below a position."""
        matching = self._matching(_NO_LIMIT if before is None else before, max(_STEP, limit + 1))
        return Page.of(list(islice(matching, limit + 1)), limit)

    def _matching(self, before: int, step: int) -> Iterator[tuple[int, TaskStanding]]:
        wanted = self._wanted
        sources = list(self._sources())
        if len(sources) == 1:  # as without any filter
            candidates = self._walk(sources[0], before, step)
        else:
            walks = [self._walk(source, before, _STEP) for source in sources]
            candidates = _without_repeats(heapq.merge(*walks, reverse=True))
        while positions := list(islice(candidates, step)):
            for found in standings(self._reading, positions):
                if found[1].matches(status=wanted.status, topic=wanted.topic, agent=wanted.agent):
                    yield found

    def _walk(self, source: Source, before: int, step: int) -> Iterator[int]:
        statement, bindings = source
        while rows := self._reading.rows(statement, (*bindings, before, step)):
            for (before,) in rows:  # noqa: PLR1704 - the last one is where the next step starts
                yield before
            if len(rows) < step:
                return

    # --- where matching tasks may be found ----------------------------------------------------------------------------

    def _sources(self) -> Iterator[Source]:
        status, topic, agent = self._wanted.status, self._wanted.topic, self._wanted.agent
        if status is None and agent is None:
            yield (_TASKS, ()) if topic is None else (_OF_TOPIC, (topic,))
            return
        pairs = [pair for pair in self._pairs() if topic in (None, pair[0]) and agent in (None, pair[1])]
        states = [state for state in RunState if status in (None, Status(state))]
        if RunState.RUNNING in states:
            yield _RUNNING, ()
        for state, pair in product(states, pairs):
            if state is not RunState.RUNNING:
                yield _AT_REST, (state.value, *pair)
        if status in (None, Status.QUEUED):
            topics = {each for each, _ in pairs} if topic is None else {topic}
            for pair in (*pairs, *((each, "") for each in (topics if agent else self._topics_of_unbegun()))):
                yield _UNBEGUN, pair
        if status is Status.CANCELLED:
            yield _CANCELLED, ()
        if status is Status.SCHEDULED:
            yield _SCHEDULED, ()

    def _pairs(self) -> list[tuple[str, str]]:
        """Every topic and agent that ever had a run or is registered; of the one topic that is wanted, if it is one."""
        topic = self._wanted.topic
        return self._reading.rows(_PAIRS) if topic is None else self._reading.rows(_PAIRS_ON, (topic,))

    def _topics_of_unbegun(self) -> Iterator[str]:
        """By skipping from one topic to the next, not by reading all rows."""
        topic = ""
        while (topic := self._reading.value("SELECT topic FROM unbegun WHERE topic > ? LIMIT 1", (topic,))) is not None:
            if self._wanted.topic in (None, topic):
                yield topic


def _without_repeats(positions: Iterable[int]) -> Iterator[int]:
    last = None
    for position in positions:
        if position != last:
            yield position
        last = position
