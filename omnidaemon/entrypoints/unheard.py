"""Says why nobody takes a task up: no agent listens to its topic, none of them takes work, or no worker runs them."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from omnidaemon.app.queries import AgentState, AgentStatus
from omnidaemon.domain.errors import NotFound, OmniDaemonError, WaitTimedOut
from omnidaemon.domain.states import Status

if TYPE_CHECKING:
    from omnidaemon.entrypoints.operations import Operations

_MOST_NAMES: Final = 5
_LAST_LOOK_SECONDS = 1.0
_UNBEGUN = (Status.QUEUED, Status.RETRYING)


def unknown_topic(topic: str, known: Iterable[str], *, may_name: bool = True) -> str:
    """What there is to say of a topic that is not among the known ones, with what was probably meant; "" of one that
    is. Other topics are named only where `may_name`."""
    topics = sorted(set(known))
    if topic in topics:
        return ""
    found = f"no agent listens to {topic}"
    return f"{found}{_meant(topic, topics, 'agents listen to')}" if topics and may_name else found


def _unknown_agent(name: str, known: Iterable[str]) -> str:
    """Likewise of an agent's name."""
    names = sorted(set(known))
    if name in names:
        return ""
    return f"no agent is called {name}{_meant(name, names, 'there are') if names else ''}"


def _meant(name: str, known: Sequence[str], there_are: str) -> str:
    """What was probably meant: the closest of the known names, else some of them."""
    if close := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {close[0]}?"
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"; {there_are} {', '.join(known[:_MOST_NAMES])}{more}"


@attrs.define(slots=False)
class UnknownTopic(NotFound):
    """Nothing is known of a topic: no agent listens to it, no task was published there."""

    topic: str
    reason: str

    def __str__(self) -> str:
        return self.reason


async def check_known(client: Operations, topic: str) -> None:
    """`UnknownTopic` where whoever named it must have meant another one, as of `strange_name`."""
    if strange := await strange_name(client, topic):
        raise UnknownTopic(topic, strange)


async def strange_name(client: Operations, topic: str | None = None, agent: str | None = None) -> str:
    """What there is to say of a topic or an agent of which nothing is known, so that whoever named it must have meant
    another one; else "". To be asked once nothing was found; what may not be looked at, or cannot be, is no reason to
    complain then."""
    if topic is None and agent is None:
        return ""
    with contextlib.suppress(OmniDaemonError):
        known = await client.list_agents()
        if (
            topic is not None
            and (strange := unknown_topic(topic, [one.topic for one in known]))
            and topic not in {depth.topic for depth in await client.topics()}
            and not (await client.list_tasks(topic=topic, limit=1)).results
        ):
            return strange
        if (
            agent is not None
            and (strange := _unknown_agent(agent, [one.name for one in known]))
            and not (await client.list_tasks(agent=agent, limit=1)).results
        ):
            return strange
    return ""


def why_unbegun(topic: str, agents: Sequence[AgentStatus], place: str, waited_for: Collection[str | None] = ()) -> str:
    """Why a task of this topic lies where it is, and what to do; "" when its agents are run and will come to it.

    `agents` are all that are known, `place` is where they were looked for, `waited_for` the names of those that
    have not done their part, where they are known.
    """
    if strange := unknown_topic(topic, (one.topic for one in agents)):
        return f"{strange}; looked in {place}"
    meant = [one for one in agents if one.topic == topic and (not waited_for or one.name in waited_for)]
    if stopped := [one for one in meant if one.status is AgentState.STOPPED]:
        orders = " && ".join(f"omni agent start {topic} {one.name}" for one in stopped)
        return f"{_named(stopped)} stopped: {orders}"
    if unmanned := [one for one in meant if one.status is AgentState.UNMANNED]:
        whose = f"its agent {unmanned[0].name}" if len(unmanned) == 1 else f"its agents {_names(unmanned)}"
        return f"no worker runs {whose}{_way_on(unmanned, topic, agents)}; looked in {place}"
    return ""


def why_unended(topic: str, agents: Iterable[AgentStatus], running: Collection[str | None]) -> str:
    """Why a task of this topic that is `running` at these of the agents may not end: nobody lives who runs one of them,
    so its worker died or is cut off. "" where somebody does, who takes over what another one leaves."""
    lost = [one for one in agents if one.topic == topic and one.name in running and not one.workers]
    if not lost:
        return ""
    whose = f"agent {lost[0].name}" if len(lost) == 1 else f"agents {_names(lost)}"
    return f"the worker of {whose} is not heard any more; another one would take it over: omni run agents.py"


def _way_on(unmanned: Sequence[AgentStatus], topic: str, agents: Sequence[AgentStatus]) -> str:
    run = "omni run agents.py"
    successor = next((one.name for one in agents if one.topic == topic and one.workers), None)
    if successor is None:
        return f"; start one: {run}"
    orders = " && ".join(handing_over(old, successor) for old in unmanned)
    return f": was it renamed? {orders}; else {run}"


def handing_over(old: AgentStatus, new: str) -> str:
    """The command by which an agent that was renamed hands what waits for it to its new name."""
    return f"omni agent remove {old.topic} {old.name} --to {new}"


async def explained(error: WaitTimedOut, client: Operations, place: str, agent: str | None = None) -> WaitTimedOut:
    """The time-out with why nobody takes the task up; the same where somebody does, where the reason is there already,
    and where none is found soon: whoever waits has waited for long enough."""
    if error.reason is not None or error.status not in _UNBEGUN:
        return error
    with contextlib.suppress(TimeoutError, OmniDaemonError):
        async with asyncio.timeout(_LAST_LOOK_SECONDS):
            found = await client.get_result(error.task_id, agent)
            if found is not None and found.status in _UNBEGUN:
                waited_for = {run.agent for run in found.runs if not run.is_end} or {agent} - {None}
                reason = why_unbegun(found.topic, await client.list_agents(), place, waited_for)
                return attrs.evolve(error, reason=reason or None)
    return error


def _named(agents: Sequence[AgentStatus]) -> str:
    return f"its agent {agents[0].name} is" if len(agents) == 1 else f"its agents {_names(agents)} are"


def _names(agents: Iterable[AgentStatus]) -> str:
    return ", ".join(agent.name for agent in agents)
