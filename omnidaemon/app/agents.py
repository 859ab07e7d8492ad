"""An agent as its worker runs it: a name on a topic, a callable, a policy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import attrs

from omnidaemon.domain.agent import AgentProfile
from omnidaemon.domain.errors import InvalidInput, InvalidValue
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import DeliveryPolicy

Handler = Callable[..., Any]
"""`f(payload)` or `f(payload, context)`, a coroutine function or a plain one; what it returns is the result."""


@attrs.define(slots=False)
class NotAHandler(InvalidInput):
    """A callback cannot be called as `f(payload)` or `f(payload, context)`."""

    callback: object
    reason: str

    def __str__(self) -> str:
        return f"{self.callback!r} cannot be an agent: {self.reason}"


@attrs.frozen(kw_only=True)
class Agent:
    """A registered agent. `wants_context`: its handler takes a second argument. `is_async`: it runs on the agents'
    loop, else in a thread."""

    profile: AgentProfile
    policy: DeliveryPolicy
    handler: Handler
    wants_context: bool
    is_async: bool

    @property
    def subscription(self) -> Subscription:
        """Where it listens and what it is called."""
        return self.profile.subscription

    @classmethod
    def of(cls, handler: Handler, profile: AgentProfile, policy: DeliveryPolicy) -> Agent:
        """An agent around a callable; how it wants to be called is read from its signature."""
        if not _is_count(profile.concurrency):
            raise InvalidValue("concurrency", profile.concurrency, "a whole number, at least 1")
        return cls(
            profile=profile,
            policy=policy,
            handler=handler,
            wants_context=_wants_context(handler),
            is_async=_is_async(handler),
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def handler_name(handler: Handler) -> str | None:
    """The name a callable has of itself, None for a lambda or an object without one."""
    name = getattr(handler, "__name__", None)
    return None if name is None or name == "<lambda>" else str(name)


def _wants_context(handler: Handler) -> bool:
    if not callable(handler):
        raise NotAHandler(handler, "it is not callable")
    if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
        raise NotAHandler(handler, "it is a generator; return a value instead of yielding")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return False  # a builtin that does not tell: it gets the payload alone
    if _binds(signature, "payload", "context"):
        return _is_for_context(signature)
    if _binds(signature, "payload"):
        return False
    raise NotAHandler(handler, f"its signature is {signature}, expected (payload) or (payload, ctx)")


def _binds(signature: inspect.Signature, *arguments: str) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _is_for_context(signature: inspect.Signature) -> bool:
    """Whether the second parameter is there for a context: it has no default, or it is called ctx or context."""
    positional = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    second = positional[1] if positional[1:] else None
    return second is not None and (second.default is second.empty or second.name in ("ctx", "context"))


def _is_async(handler: Handler) -> bool:
    target = handler
    while isinstance(target, functools.partial):
        target = target.func
    # Not whether it can be called is asked, but how its class defines the call.
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(type(target).__call__)
