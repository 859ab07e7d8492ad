"""Many agents and many workers: what they cost those who have nothing to do with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import redis

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.storage import Storage
from omnidaemon.testing.place import Place
from tests.growth.counting import RedisCounter
from tests.growth.operations import Operation, operations
from tests.growth.population import Population

_UNAFFECTED = (
    "task list",
    "task list --topic, a crowded one",
    "task list --topic, a quiet one",
    "task show",
    "dlq list",
    "webhook list",
    "a worker's heartbeat",
    "a claim when nothing is due",
    "one task: logged, begun, ended, removed",
)


async def register_many(storage: Storage, count: int) -> None:
    """So many agents, each of a topic of its own."""
    await storage.registry.register(
        [AgentProfile(subscription=Subscription(f"topic-{number}", f"agent-{number}")) for number in range(count)]
    )


def unaffected_by_agents(storage: Storage, place: Place, population: Population) -> Mapping[str, Operation]:
    """The calls that have to do with a few agents only. A list of agents, metrics, and a search over all agents by
    status cost more with each agent, which is what they are asked about."""
    asked = operations(storage, place, population)
    return {name: asked[name] for name in _UNAFFECTED}


async def idle_commands(folder: Path, url: str, seconds: float) -> dict[str, float]:
    """How many commands of each kind a worker at rest sends in a second, on a server that nobody else uses."""
    variables = {"EVENT_BUS_TYPE": "redis_stream", "REDIS_URL": url, "OMNIDAEMON_DATA_DIR": str(folder / "data")}
    sdk = OmniDaemonSDK(settings=load_settings(directory=folder, environ=variables))
    sdk.agent("greet.user", name="greeter")(lambda payload: payload)
    async with sdk:
        await asyncio.sleep(2.0)  # the start is not counted
        with contextlib.closing(redis.Redis.from_url(url)) as client:
            counter = RedisCounter(client)
            before = counter.commands()
            await asyncio.sleep(seconds)
            spent = counter.commands() - before
    rates = {name: count / seconds for name, count in spent.most_common()}
    return {"all": sum(rates.values()), **rates}
