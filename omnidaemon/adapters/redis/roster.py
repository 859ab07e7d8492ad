"""Which agents each topic has, as far as a publisher knows: what the scripts that log tasks begin with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from omnidaemon.adapters.redis.faults import BACKEND, MOST_ROUNDS
from omnidaemon.domain.errors import BackendUnavailable

Call = Callable[[list[Any]], Awaitable[Sequence[Any]]]
"""Runs a script that begins with a roster; what it answers."""


class Roster:
    """As old as the last answer that told it. A script that finds it outdated writes nothing, and tells what is so."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._revision = "0"
        self._agents: dict[str, str] = {}

    async def settled(self, topics: Iterable[str], call: Call) -> Any:
        """The answer of a script to the roster of these topics: called again for as long as the roster was outdated."""
        named = sorted(set(topics))
        for _ in range(MOST_ROUNDS):
            status, *told, answer = await call(self._words(named))
            if status == b"ok":
                return answer
            self._learn(told[-1], answer)
        raise BackendUnavailable(
            BACKEND, self._location, f"in {MOST_ROUNDS} rounds, agents came or went before each arrived"
        )

    def _words(self, topics: Sequence[str]) -> list[Any]:
        """The revision, how many topics, and for each its name and those of its agents."""
        named = (word for topic in topics for word in (topic, self._agents.get(topic, "")))
        return [self._revision, len(topics), *named]

    def _learn(self, revision: bytes, names: Sequence[bytes]) -> None:
        agents: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            topic, _, agent = name.decode().partition("/")
            agents[topic].append(agent)
        self._agents = {topic: ",".join(sorted(named)) for topic, named in agents.items()}
        self._revision = revision.decode()
