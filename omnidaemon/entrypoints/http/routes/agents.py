"""Agents and the workers that run them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.http import schemas
from omnidaemon.entrypoints.http.routing import AgentName, Serving, Topic, problems, router
from omnidaemon.entrypoints.http.schemas import Absent, Name
from omnidaemon.entrypoints.shapes import Shape

agents = router("agents")

Heir = Annotated[Name | Absent, Query(description="The agent of the same topic that gets what waits.")]

Force = Annotated[
    bool, Query(description="Though live workers run it: they take nothing more for it, until they start again.")
]
WorkerId = Annotated[str, Path(description="The `id` of a worker.")]


@agents.get("/agents", response_model=list[schemas.Agent], responses=problems())
async def list_agents(client: Serving) -> list[Shape]:
    """All agents that were ever registered and not removed."""
    return [shapes.agent(agent) for agent in await client.list_agents()]


@agents.post("/agents/start", response_model=list[schemas.Agent], responses=problems())
async def start_all_agents(client: Serving) -> list[Shape]:
    """Start every agent; answers all of them, as they are wanted."""
    await client.start_all_agents()
    return await list_agents(client)


@agents.post("/agents/stop", response_model=list[schemas.Agent], responses=problems())
async def stop_all_agents(client: Serving) -> list[Shape]:
    """Stop every agent; answers all of them, as they are wanted. Each worker hears of it within two seconds."""
    await client.stop_all_agents()
    return await list_agents(client)


@agents.get("/agents/{topic}/{name}", response_model=schemas.Agent, responses=problems(404))
async def get_agent(client: Serving, topic: Topic, name: AgentName) -> Shape:
    """One agent."""
    return shapes.agent(await client.get_agent(topic, name))


@agents.post("/agents/{topic}/{name}/start", response_model=schemas.Agent, responses=problems(404))
async def start_agent(client: Serving, topic: Topic, name: AgentName) -> Shape:
    """Want a stopped agent to take work again, on every worker; answers the agent, as it is wanted. Each worker hears
    of it within two seconds."""
    await client.start_agent(topic, name)
    return await get_agent(client, topic, name)


@agents.post("/agents/{topic}/{name}/stop", response_model=schemas.Agent, responses=problems(404))
async def stop_agent(client: Serving, topic: Topic, name: AgentName) -> Shape:
    """Want an agent to take nothing more, on every worker, also after restarts; what runs finishes. Answers the agent,
    as it is wanted: each worker hears of it within two seconds, while the store answers it."""
    await client.stop_agent(topic, name)
    return await get_agent(client, topic, name)


@agents.delete("/agents/{topic}/{name}", response_model=schemas.Moved, responses=problems(404, 409))
async def remove_agent(
    client: Serving, topic: Topic, name: AgentName, to: Heir = None, *, force: Force = False
) -> Shape:
    """End an agent's subscription. What waits for it is dropped, or goes to another agent of the topic. 409
    while a live worker runs it, since each start of such a worker registers it anew."""
    return {"moved": await client.remove_agent(topic, name, to, force=force)}


@agents.get("/workers", response_model=list[schemas.Worker], responses=problems())
async def list_workers(client: Serving) -> list[Shape]:
    """The processes that run agents, as far as they were heard within the last hour."""
    return [shapes.worker(worker) for worker in await client.list_workers()]


@agents.post("/workers/drain", status_code=HTTPStatus.NO_CONTENT, responses=problems())
async def drain_all_workers(client: Serving) -> Response:
    """Drain every worker that lives."""
    await client.drain_all_workers()
    return Response(status_code=HTTPStatus.NO_CONTENT)


@agents.post("/workers/{worker_id}/drain", status_code=HTTPStatus.NO_CONTENT, responses=problems(404))
async def drain_worker(client: Serving, worker_id: WorkerId) -> Response:
    """Have a worker take nothing more, finish what it runs, and leave; its process ends."""
    await client.drain_worker(worker_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
