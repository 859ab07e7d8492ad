"""Sample values as commands and routes get them."""

from __future__ import annotations

from omnidaemon.app.queries import AgentState, AgentStatus

IDLE_AGENT = AgentStatus(
    topic="greet.user",
    name="greeter",
    status=AgentState.RUNNING,
    description="",
    tools=(),
    workers=1,
    when_stopped="hold",
    concurrency=100,
    waiting=0,
    counts={},
)
"""An agent that one worker runs, and that has nothing to do."""
