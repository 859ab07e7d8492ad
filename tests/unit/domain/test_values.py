"""Values: not to be changed, and compared by what they are."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import get_args, get_type_hints
from unittest.mock import ANY

import pytest

import omnidaemon.adapters.redis  # noqa: F401 - its values are looked at too
from omnidaemon.app.agents import Agent
from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.values import Value, replace
from tests.unit.domain.samples import NOW, run, task


def test_no_field_can_be_assigned():
    name = "topic"
    with pytest.raises(AttributeError, match="immutable"):
        setattr(task(), name, "another")


def test_a_copy_has_what_was_replaced_and_all_else():
    copy = replace(task(hops=2), topic="another")
    assert copy == task(topic="another", hops=2)


def test_runs_are_equal_however_they_were_made():
    one = run()
    assert one.model() == one
    assert hash(one.model()) == hash(one)
    assert one != replace(one, life=2)


def test_a_run_is_unlike_what_is_no_run():
    assert run() != "run"
    assert run() == ANY


def test_a_result_that_holds_itself_is_freed():
    """It is in people's hands: so the collector looks at it."""
    held: list[object] = [Witness()]
    witness = weakref.ref(held[0])
    held.append(TaskResult(task_id="t", topic="t", agent="a", status=Status.SUCCEEDED, created_at=NOW.at, result=held))
    del held
    gc.collect()
    assert witness() is None


class Witness:
    pass


def test_what_holds_things_of_people_and_vendors_is_looked_at():
    """A value that the collector passes over must not lead to an object of a class that is not known here."""
    for kind in subclasses(Value):
        open_ended = [hint for hint in get_type_hints(kind).values() if leads_anywhere(hint)]
        assert kind.__struct_config__.gc or not open_ended, f"{kind.__name__} needs gc=True: {open_ended}"


def subclasses(kind: type[Value]) -> Iterator[type[Value]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def leads_anywhere(hint: object) -> bool:
    return hint is object or hint in (Agent, asyncio.Future) or any(map(leads_anywhere, get_args(hint)))
