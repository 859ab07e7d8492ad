"""Values as rows: what goes in comes out, to the microsecond and the byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.sqlite.rows import flaw_of, own_of, run_of, shared_of, task_of
from omnidaemon.domain.instant import micros, moment
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable

CODEC = JsonCodec()
AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PLAIN = Run(
    task_id="t1", subscription=Subscription("greet.user", "greeter"), state=RunState.QUEUED, queued_at=AT, due_at=AT
)
FULL = Run(
    task_id="t1",
    subscription=Subscription("greet.user", "greeter"),
    state=RunState.WAITING,
    queued_at=AT,
    life=2,
    fence=7,
    owner="w1",
    request="w1:begin:3",
    attempts=3,
    crashes=1,
    due_at=AT + timedelta(microseconds=1),
    lease_until=12.25,
    lease_seconds=30.5,
    is_cancel_requested=True,
    is_acked=True,
    started_at=AT,
    finished_at=AT,
    seconds=0.125,
    result=b'{"a": "\xc3\xa9"}',
    errors=(AttemptError(type="ValueError", message="né", kind=ErrorKind.TIMEOUT, traceback="T", attempt=1, at=AT),),
    question="ok?",
    default=b"null",
    answers=(("before?", b"[1]"), ("ok?", b'"yes"')),
    return_address=ReturnAddress(created_at=AT, webhook="https://é.example", reply_to="answers", hops=3),
)


def row_of(run):
    return (1, 0, run.task_id, run.subscription.agent, run.subscription.topic, *own_of(run), *shared_of(run, CODEC))


@pytest.mark.parametrize("run", [PLAIN, FULL], ids=["plain", "full"])
def test_a_run_comes_back_whole(run):
    assert run_of(row_of(run), CODEC) == run


def test_the_full_run_has_every_field():
    """So that a new field cannot be forgotten in the row."""
    for field in msgspec.structs.fields(Run):
        assert field.name == "kin" or getattr(FULL, field.name) != field.default, field.name


def test_times_compare_as_integers():
    """Also far away, in another zone, and before the epoch."""
    for at in (AT, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC)):
        assert moment(micros(at)) == at
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert micros(elsewhere) == micros(AT)
    assert micros(AT) < micros(AT + timedelta(microseconds=1))


def test_a_task_comes_back_whole():
    task = Task(task_id="t1", topic="greet.user", payload=b'{"a": 1.0}', created_at=AT, headers={"payload": "x"})
    assert task_of(("t1", "greet.user", flaw_of(task, CODEC), CODEC.encode_task(task)), CODEC) == task


def test_what_was_unreadable_comes_back_with_its_reason():
    raw = Unreadable(task_id="t1", topic="greet.user", raw=b"\x00\xff{", reason="schema 9", is_newer=True)
    assert task_of(("t1", "greet.user", flaw_of(raw, CODEC), CODEC.encode_task(raw)), CODEC) == raw


def test_what_an_older_version_could_not_read_is_read_by_this_one():
    task = Task(task_id="t1", topic="greet.user", payload=b"{}", created_at=AT)
    raw = Unreadable(task_id="t1", topic="greet.user", raw=CODEC.encode_task(task), reason="schema 1", is_newer=True)
    assert task_of(("t1", "greet.user", flaw_of(raw, CODEC), CODEC.encode_task(raw)), CODEC) == task
