"""Values: not to be changed, and compared by what they are."""

from __future__ import annotations

import gc

import pytest

from omnidaemon.domain.result import TaskResult
from omnidaemon.domain.states import Status
from omnidaemon.domain.values import replace
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


def test_the_collector_looks_at_what_people_returned():
    """A result that holds itself would stay for ever otherwise."""
    result = TaskResult(task_id="t1", topic="t", agent="a", status=Status.SUCCEEDED, created_at=NOW.at, result=[])
    assert gc.is_tracked(result)
    assert not gc.is_tracked(task())
