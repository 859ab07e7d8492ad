"""Says why nobody takes a task up: no agent listens to its topic, none of them takes work, or no worker runs them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

from omnidaemon.app.queries import AgentState, AgentStatus

_MOST_NAMES: Final = 5


def unknown_topic(topic: str, known: Iterable[str], *, may_name: bool = True) -> str:
    """What there is to say of a topic that is not among the known ones, with what was probably meant; "" of one that
    is. Other topics are named only where `may_name`."""
    topics = sorted(set(known))
    if topic in topics:
        return ""
    found = f"no agent listens to {topic}"
    if not topics or not may_name:
        return found
    meant = difflib.get_close_matches(topic, topics, n=1)
    if meant:
        return f"{found}; did you mean {meant[0]}?"
    more = f" and {len(topics) - _MOST_NAMES} more" if len(topics) > _MOST_NAMES else ""
    return f"{found}; agents listen to {', '.join(topics[:_MOST_NAMES])}{more}"


def why_unbegun(topic: str, agents: Sequence[AgentStatus], place: str, agent: str | None = None) -> str:
    """Why a task of this topic lies where it is, and what to do; "" when its agents are run and will come to it.

    `agents` are all that are known, `place` is where they were looked for, `agent` the one that is waited for, where it
    is one alone.
    """
    if strange := unknown_topic(topic, (one.topic for one in agents)):
        return f"{strange}; looked in {place}"
    meant = [one for one in agents if one.topic == topic and agent in (None, one.name)]
    if stopped := [one for one in meant if one.status is AgentState.STOPPED]:
        orders = " && ".join(f"omni agent start {topic} {one.name}" for one in stopped)
        return f"{_named(stopped)} stopped: {orders}"
    if unmanned := [one for one in meant if one.status is AgentState.UNMANNED]:
        whose = f"its agent {unmanned[0].name}" if len(unmanned) == 1 else f"its agents {_names(unmanned)}"
        return f"no worker runs {whose}: omni run agents.py; looked in {place}"
    return ""


def _named(agents: Sequence[AgentStatus]) -> str:
    return f"its agent {agents[0].name} is" if len(agents) == 1 else f"its agents {_names(agents)} are"


def _names(agents: Iterable[AgentStatus]) -> str:
    return ", ".join(agent.name for agent in agents)
