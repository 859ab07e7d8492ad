"""Agents, workers and topics, as they are answered."""

from __future__ import annotations

from typing import Literal

from omnidaemon.entrypoints.http.schemas.kinds import Output, ShownTime


class Agent(Output):
    """An agent. `unmanned`: it may work, but no worker runs it. `waiting` is null for a bus that cannot tell."""

    topic: str
    name: str
    status: Literal["running", "stopped", "unmanned"]
    description: str
    tools: list[str]
    workers: int
    when_stopped: str
    concurrency: int
    waiting: int | None
    counts: dict[str, int]


class Moved(Output):
    """How many waiting tasks were handed over to another agent."""

    moved: int


class WorkersAgent(Output):
    """An agent that a worker runs."""

    topic: str
    name: str


class Worker(Output):
    """A process that runs agents. `running`: how many runs it executes, null when it is lost."""

    id: str
    status: Literal["alive", "draining", "lost"]
    host: str
    pid: int
    version: str
    started_at: ShownTime
    seen_at: ShownTime
    running: int | None
    agents: list[WorkersAgent]


class Topic(Output):
    """What waits on the bus for one agent of a topic; `agent` is null for a topic that has none yet."""

    topic: str
    agent: str | None
    waiting: int
    held: int


class Purged(Output):
    """How many deliveries were dropped. `cursor` goes on with the rest, and is null when there is none."""

    purged: int
    cursor: str | None
