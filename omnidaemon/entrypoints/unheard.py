"""Says why nobody takes a task up: no agent listens to its topic, none of them takes work, or no worker runs them."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Iterable, Sequence

import attrs

from omnidaemon.app.queries import AgentState, AgentStatus
from omnidaemon.domain.errors import OmniDaemonError, WaitTimedOut
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.operations import Operations

_LAST_LOOK_SECONDS = 1.0
_UNBEGUN = (Status.QUEUED, Status.RETRYING)


def unknown_topic(topic: str, known: Iterable[str]) -> str:
    """What there is to say of a topic that is not among the known ones, with what was probably meant; "" of one that
    is."""
    topics = sorted(set(known))
    if topic in topics:
        return ""
    found = f"no agent has ever listened to {topic}"
    if not topics:
        return found
    meant = difflib.get_close_matches(topic, topics, n=1)
    return f"{found}; did you mean {meant[0]}?" if meant else f"{found}; agents listen to {', '.join(topics)}"


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


async def explained(error: WaitTimedOut, client: Operations, place: str, agent: str | None = None) -> WaitTimedOut:
    """The time-out with why nobody takes the task up; the same where somebody does, where the reason is there already,
    and where none is found soon: whoever waits has waited for long enough."""
    if error.reason is not None or error.status not in _UNBEGUN:
        return error
    with contextlib.suppress(TimeoutError, OmniDaemonError):
        async with asyncio.timeout(_LAST_LOOK_SECONDS):
            found = await client.get_result(error.task_id, agent)
            if found is not None and found.status in _UNBEGUN:
                reason = why_unbegun(found.topic, await client.list_agents(), place, agent)
                return attrs.evolve(error, reason=reason or None)
    return error


def _named(agents: Sequence[AgentStatus]) -> str:
    return f"its agent {agents[0].name} is" if len(agents) == 1 else f"its agents {_names(agents)} are"


def _names(agents: Iterable[AgentStatus]) -> str:
    return ", ".join(agent.name for agent in agents)
