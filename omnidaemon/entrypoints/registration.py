"""The agents and hooks that a program has registered with its SDK object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from omnidaemon.app.agents import Agent, Handler, handler_name
from omnidaemon.domain.agent import AgentProfile, WhenStopped
from omnidaemon.domain.errors import DuplicateAgent, InvalidValue
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import DeliveryPolicy

Hook = Callable[[], Awaitable[None] | None]

NO_AGENTS = 'its SDK has no agents; decorate a function with `@sdk.agent("topic")`'


class Registration:
    """What decorators collect, in order. Does nothing by itself."""

    def __init__(self) -> None:
        self.agents: dict[Subscription, Agent] = {}
        self.startup: list[Hook] = []
        self.shutdown: list[Hook] = []

    def add(
        self,
        topic: str,
        handler: Handler,
        *,
        name: str | None,
        tools: Sequence[object],
        description: str,
        policy: DeliveryPolicy,
        concurrency: int,
        when_stopped: str,
    ) -> Agent:
        """Register an agent; raises `InvalidInput` for one that cannot be, `DuplicateAgent` for a second of its
        name."""
        chosen = name if name is not None else handler_name(handler)
        if chosen is None:
            raise InvalidValue("name", None, "a name=, since the callback has none of its own")
        subscription = Subscription.checked(topic, chosen)
        if subscription in self.agents:
            raise DuplicateAgent(topic, chosen)
        if isinstance(tools, str):
            raise InvalidValue("tools", tools, "a list of tools")
        if not isinstance(policy, DeliveryPolicy):
            raise InvalidValue("policy", policy, "a DeliveryPolicy")
        if when_stopped not in tuple(WhenStopped):
            raise InvalidValue("when_stopped", when_stopped, "'hold' or 'skip'")
        profile = AgentProfile(
            subscription=subscription,
            description=description or inspect.cleandoc(getattr(handler, "__doc__", None) or "").split("\n")[0],
            tools=tuple(str(getattr(tool, "__name__", tool)) for tool in tools),
            when_stopped=WhenStopped(when_stopped),
            lease_seconds=policy.lease,
            concurrency=concurrency,
        )
        agent = self.agents[subscription] = Agent.of(handler, profile, policy)
        return agent


async def run_hooks(hooks: Sequence[Callable[[], Any]]) -> None:
    """Call each hook in order, awaiting those that are coroutines."""
    for hook in hooks:
        result = hook()
        if inspect.isawaitable(result):
            await result
