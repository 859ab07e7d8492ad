"""How an agent wants to be called is read from its callable."""

from __future__ import annotations

import functools

import pytest

from omnidaemon.app.agents import NotAHandler, handler_name
from omnidaemon.domain.errors import InvalidValue
from tests.unit.app.workshop import agent_of


async def with_payload(payload):
    return payload


async def with_context(payload, anything):
    return anything


def with_option(payload, model="small"):
    return model


def with_optional_context(payload, ctx=None):
    return ctx


def with_rest(*arguments, **options):
    return arguments


class Greeter:
    async def __call__(self, payload):
        return payload

    def plain(self, payload, context):
        return context


class Wrapped:
    """Callable, with an attribute `func` that says nothing of how it is called."""

    def __init__(self):
        self.func = self

    async def __call__(self, payload):
        return payload


@pytest.mark.parametrize(
    ("handler", "wants_context", "is_async"),
    [
        (with_payload, False, True),
        (with_context, True, True),
        (with_option, False, False),
        (with_optional_context, True, False),
        (with_rest, False, False),
        (Greeter(), False, True),
        (Greeter().plain, True, False),
        (functools.partial(with_context, "first"), False, True),
        (functools.partial(functools.partial(with_rest)), False, False),
        (functools.partial(Greeter()), False, True),
        (Wrapped(), False, True),
        (lambda payload: payload, False, False),
        (len, False, False),
        (str, False, False),
        (dict.fromkeys, False, False),
    ],
    ids=lambda value: None if isinstance(value, bool) else getattr(value, "__name__", type(value).__name__),
)
def test_a_callable_says_how_it_is_called(handler, wants_context, is_async):
    """Its context argument and whether it is async are seen through partials, methods and callable objects."""
    agent = agent_of(handler)
    assert (agent.wants_context, agent.is_async) == (wants_context, is_async)


def generator(payload):
    yield payload


async def async_generator(payload):
    yield payload


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("text", "not callable"),
        (generator, "generator"),
        (async_generator, "generator"),
        (lambda: None, "signature"),
        (lambda payload, *, ctx: None, "signature"),
        (lambda a, b, c: None, "signature"),
    ],
)
def test_what_cannot_be_an_agent_is_refused_with_the_reason(handler, reason):
    """A callback that nobody could call with a payload is an error at registration, not at the first task."""
    with pytest.raises(NotAHandler, match=reason) as refusal:
        agent_of(handler)
    assert repr(handler) in str(refusal.value)


def test_an_agent_needs_room_for_at_least_one_run():
    """A concurrency of zero is an error, not an agent that never works."""
    with pytest.raises(InvalidValue, match="concurrency"):
        agent_of(with_payload, concurrency=0)


def test_a_callable_is_named_as_its_author_named_it():
    """Functions have a name of their own; lambdas, partials and objects have none."""
    assert handler_name(with_payload) == "with_payload"
    assert handler_name(lambda payload: payload) is None
    assert handler_name(functools.partial(with_payload)) is None
