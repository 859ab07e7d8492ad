"""Looking the system over: whether it can work, and for `omni doctor` also what is weak and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import attrs

from omnidaemon.app.queries import Health
from omnidaemon.bootstrap.settings import Settings
from omnidaemon.domain.errors import BackendError, OmniDaemonError
from omnidaemon.domain.outbox import OutboxStatus
from omnidaemon.entrypoints import diagnosis
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.diagnosis import PATIENCE_SECONDS, Finding, Severity

_GRAVEST_FIRST = list(Severity)
_MOST_WEBHOOKS_COUNTED = 100
_MOST_NAMED = 3


async def health(client: Client, settings: Settings) -> Health:
    """Whether bus and store answer, also where they cannot even be opened; and what a person should know. Answers
    within some seconds, whatever they do.

    `ok` means that they answer, that neither loses tasks by its nature, that somebody lives to run the agents, if there
    are any, and that the bus keeps nothing for one that nobody runs. What else may be wrong, with a clock or a server's
    settings for instance, `examine` looks at.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            state = await client.health()
    except BackendError as error:
        state = _unavailable(settings, str(error))
    except TimeoutError:
        state = _unavailable(settings, f"no answer within {PATIENCE_SECONDS:g} s")
    if state.status != "unavailable" and (note := _of_the_unmanned(state)):
        return attrs.evolve(state, status="degraded", notes=(*state.notes, note))
    return state


def _of_the_unmanned(state: Health) -> str:
    """That agents are run by nobody; "" where there is nothing to say of it."""
    if state.agents and not state.workers:
        whose = "the agent" if state.agents == 1 else f"the {state.agents} agents"
        return f"no worker runs {whose}, tasks wait; start one: omni run agents.py"
    if not state.neglected:
        return ""
    names = ", ".join(f"{depth.agent} on {depth.topic}" for depth in state.neglected[:_MOST_NAMED])
    more = f" and {len(state.neglected) - _MOST_NAMED} more" if len(state.neglected) > _MOST_NAMED else ""
    return f"tasks wait for agents that no worker runs: {names}{more}; omni doctor says what to do"


def _unavailable(settings: Settings, why: str) -> Health:
    return Health(
        status="unavailable",
        bus=settings.event_bus_type,
        store=settings.result_store_type,
        workers=0,
        agents=0,
        notes=(why,),
    )


async def examine(client: Client, settings: Settings) -> list[Finding]:
    """All that was found, the gravest first."""
    findings = [finding async for finding in _findings(client, settings)]
    return sorted(findings, key=lambda one: _GRAVEST_FIRST.index(one.severity))


async def _findings(client: Client, settings: Settings) -> AsyncIterator[Finding]:
    for finding in diagnosis.of_settings(settings):
        yield finding
    try:
        async for finding in _of_the_backend(client):
            yield finding
    except OmniDaemonError as error:
        yield diagnosis.broken("bus and store", error)


async def _of_the_backend(client: Client) -> AsyncIterator[Finding]:
    now = datetime.now(UTC)
    state = await client.health()
    for finding in diagnosis.of_health(state):
        yield finding
    if state.status == "unavailable":
        return
    weaknesses = await (await client.runtime()).queries.weaknesses()
    agents, workers, depths = await client.list_agents(), await client.list_workers(), await client.topics()
    newest = (await client.list_tasks(limit=1)).results
    failed = await client.list_webhooks(status=OutboxStatus.FAILED, limit=_MOST_WEBHOOKS_COUNTED)
    for finding in (
        *diagnosis.of_weaknesses(weaknesses),
        *diagnosis.of_agents(agents, workers),
        *diagnosis.of_topics(depths),
        *diagnosis.of_webhooks(failed),
        *diagnosis.of_workers(workers, now),
        *diagnosis.of_clock(now, newest[0].created_at if newest else None),
    ):
        yield finding
