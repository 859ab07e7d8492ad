"""`omni agent`: see, start, stop and remove agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.options import Json, WrongUse
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import PARTS, Session, session
from omnidaemon.entrypoints.cli.views import Lines

if TYPE_CHECKING:
    from omnidaemon.app.queries import AgentStatus

AgentTopic = Annotated[str, Parameter(help="The topic that it listens to.")]
AgentName = Annotated[str, Parameter(help="Its name.")]
EveryAgent = Annotated[bool, Parameter(name="--all", help="Every agent there is.")]
Force = Annotated[
    bool,
    Parameter(help="Though live workers run it: they take nothing more for it, and start with it again."),
]
Heir = Annotated[str | None, Parameter(help="The agent of the same topic that gets what waits.")]


async def list_(*, as_json: Json = False) -> None:
    """List all agents that were ever registered and not removed."""
    async with session() as opened:
        agents = await opened.client.list_agents()
    screen(as_json=as_json).show([shapes.agent(agent) for agent in agents], fleet_views.agents_table(agents))


async def get(topic: AgentTopic, name: AgentName, /, *, as_json: Json = False) -> None:
    """Show one agent."""
    async with session() as opened:
        agent = await opened.client.get_agent(topic, name)
    screen(as_json=as_json).show(shapes.agent(agent), fleet_views.agent_card(agent))


async def start(
    topic: AgentTopic | None = None,
    name: AgentName | None = None,
    /,
    *,
    all_: EveryAgent = False,
    as_json: Json = False,
) -> None:
    """Have a stopped agent take work again, on every worker.

    The answer shows what is wanted: each worker hears of it within two seconds.
    """
    async with session() as opened:
        client = opened.client
        await _order(
            opened, topic, name, client.start_agent, client.start_all_agents if all_ else None, as_json=as_json
        )


async def stop(
    topic: AgentTopic | None = None,
    name: AgentName | None = None,
    /,
    *,
    all_: EveryAgent = False,
    as_json: Json = False,
) -> None:
    """Have an agent take nothing more, on every worker, also after restarts; what runs finishes.

    The answer shows what is wanted: each worker hears of it within two seconds.
    """
    async with session() as opened:
        client = opened.client
        await _order(opened, topic, name, client.stop_agent, client.stop_all_agents if all_ else None, as_json=as_json)


async def _order(
    opened: Session,
    topic: str | None,
    name: str | None,
    one: Callable[[str, str], Awaitable[None]],
    everyone: Callable[[], Awaitable[None]] | None,
    *,
    as_json: bool,
) -> None:
    """Give the order to one agent or to all, and show what became of it."""
    answer = screen(as_json=as_json)
    if everyone is not None:
        if topic is not None:
            raise WrongUse("name an agent by TOPIC and NAME, or give --all, not both")
        await everyone()
        agents = await opened.client.list_agents()
        answer.show([shapes.agent(agent) for agent in agents], fleet_views.agents_table(agents))
        _say_when(agents)
        return
    if topic is None or name is None:
        raise WrongUse("name an agent by TOPIC and NAME, or give --all")
    await one(topic, name)
    agent = await opened.client.get_agent(topic, name)
    answer.show(shapes.agent(agent), fleet_views.agent_card(agent))
    _say_when([agent])


def _say_when(agents: Sequence[AgentStatus]) -> None:
    if any(agent.workers for agent in agents):
        note("this is what is wanted; workers that live hear of it within two seconds, and what they run finishes")


async def remove(
    topic: AgentTopic, name: AgentName, /, *, to: Heir = None, force: Force = False, as_json: Json = False
) -> None:
    """End an agent's subscription. What waits for it is dropped, or goes to another agent of the topic.

    Refused while a live worker runs it: each start of such a worker registers it anew.
    """
    async with session(PARTS) as opened:
        agent = await opened.client.get_agent(topic, name)
        waiting = agent.unbegun
        moved = await opened.client.remove_agent(topic, name, to, force=force)
    if agent.workers:
        note(f"workers that run it: {agent.workers}; they take nothing more for it, and start with it again")
    fate = f"{_waiting_tasks(moved)} went to {to}" if to else f"{_waiting_tasks(waiting)} dropped"
    screen(as_json=as_json).show(
        {"topic": topic, "name": name, "to": to, "moved": moved, "dropped": 0 if to else waiting},
        Lines.of(f"removed {name} from {topic}; {fate}"),
    )


def _waiting_tasks(number: int) -> str:
    return "1 waiting task" if number == 1 else f"{number} waiting tasks"
