"""Which agents each topic has, as far as a publisher knows: what the scripts that log tasks begin with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
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
        named = set(topics)
        for _ in range(MOST_ROUNDS):
            if (answer := self.answer(await call(self.words(named)))) is not None:
                return answer
        raise too_many_rounds(self._location)

    @property
    def revision(self) -> str:
        """Of the registry, as far as it is known."""
        return self._revision

    def words(self, topics: Collection[str]) -> list[Any]:
        """The revision, how many topics, and for each its name and those of its agents."""
        words: list[Any] = [self._revision, len(topics)]
        for topic in topics:
            words += (topic, self._agents.get(topic, ""))
        return words

    def answer(self, reply: Sequence[Any]) -> Any:
        """What a script answers besides its time; None where the roster was outdated, as it is no more then."""
        if reply[0] == b"ok":
            return reply[-1]
        self._learn(*reply[-2:])
        return None

    def _learn(self, revision: bytes, names: Sequence[bytes]) -> None:
        agents: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            topic, _, agent = name.decode().partition("/")
            agents[topic].append(agent)
        self._agents = {topic: ",".join(sorted(named)) for topic, named in agents.items()}
        self._revision = revision.decode()


def too_many_rounds(location: str) -> BackendUnavailable:
    """The error when the roster was outdated each time."""
    return BackendUnavailable(BACKEND, location, f"in {MOST_ROUNDS} rounds, agents came or went before each arrived")
