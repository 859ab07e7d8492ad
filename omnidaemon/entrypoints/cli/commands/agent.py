"""`omni agent`: see, start, stop and remove agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from cyclopts import Parameter

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import fleet_views
from omnidaemon.entrypoints.cli.options import Json, WrongUse
from omnidaemon.entrypoints.cli.screen import screen
from omnidaemon.entrypoints.cli.session import Session, session
from omnidaemon.entrypoints.cli.views import Lines

AgentTopic = Annotated[str, Parameter(help="The topic that it listens to.")]
AgentName = Annotated[str, Parameter(help="Its name.")]
EveryAgent = Annotated[bool, Parameter(name="--all", help="Every agent there is.")]
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
    """Have a stopped agent take work again, on every worker."""
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
    """Have an agent take nothing more, on every worker, also after restarts; what runs finishes."""
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
        return
    if topic is None or name is None:
        raise WrongUse("name an agent by TOPIC and NAME, or give --all")
    await one(topic, name)
    agent = await opened.client.get_agent(topic, name)
    answer.show(shapes.agent(agent), fleet_views.agent_card(agent))


async def remove(topic: AgentTopic, name: AgentName, /, *, to: Heir = None, as_json: Json = False) -> None:
    """End an agent's subscription. What waits for it is dropped, or goes to another agent of the topic."""
    async with session() as opened:
        waiting = (await opened.client.get_agent(topic, name)).unbegun
        moved = await opened.client.remove_agent(topic, name, to)
    fate = f"{moved} waiting tasks went to {to}" if to else f"{waiting} waiting tasks were dropped"
    screen(as_json=as_json).show(
        {"topic": topic, "name": name, "to": to, "moved": moved, "dropped": 0 if to else waiting},
        Lines.of(f"removed {name} from {topic}; {fate}"),
    )
