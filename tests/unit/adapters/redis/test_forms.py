"""What is kept of a run comes back whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis.forms import (
    ABSENT,
    SHARED,
    Kept,
    head_of,
    kept_of,
    lease_score,
    run_standings,
    shared_of,
)
from omnidaemon.domain.instant import micros
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.run_standing import RunStanding
from omnidaemon.domain.states import RunState
from omnidaemon.domain.values import replace

AT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
CODEC = JsonCodec()
RUN = Run(
    task_id="t1",
    subscription=Subscription("topic", "agent"),
    state=RunState.RUNNING,
    queued_at=AT,
    life=2,
    fence=7,
    owner="w1",
    request="w1:begin:3",
    attempts=1,
    crashes=1,
    lease_until=1795545472.171593,
    lease_seconds=30.0,
    is_cancel_requested=True,
    is_acked=True,
    started_at=AT,
    finished_at=AT,
    seconds=0.25,
    result=b'"a\\nb\xc3\xa9"',
    errors=(AttemptError(type="ValueError", message="line\nline", at=AT),),
    question="q",
    default=b"null",
    answers=(("q", b'"yes"'),),
    return_address=ReturnAddress(created_at=AT, webhook="https://example.org", reply_to="answers", hops=3),
)


def record_of(run: Run, revision: int) -> bytes:
    """As the script `apply` puts it together."""
    shared = shared_of(run, CODEC, has_result=run.result is not None)
    own = f"{head_of(run, revision)}[{micros(run.queued_at)},{run.seconds},".encode()
    return own + shared + b"\n" + (run.result or b"")


def test_record_comes_back_whole():
    kept = kept_of(RUN.key, record_of(RUN, 4), lease_score(RUN.lease_until).encode(), CODEC)
    assert kept == Kept(RUN, "running\t7\tw1\t1\t4\n", 4)


def test_what_a_group_shares_is_all_but_what_each_run_has():
    """Whatever else a run holds makes a group of its own: two that differ in it must not get the same record."""
    own = {"task_id", "queued_at", "seconds", "result", "kin"}
    assert set(shared_names()) == set(Run.__struct_fields__) - own


def shared_names() -> Iterator[str]:
    """The fields by which runs are grouped, found by changing them one by one."""
    for name in Run.__struct_fields__:
        another: dict[str, Any] = {name: "another"}
        if SHARED(RUN) != SHARED(replace(RUN, **another)):
            yield name


def test_no_result_is_not_an_empty_one():
    run = Run(task_id="t1", subscription=RUN.subscription, state=RunState.QUEUED, queued_at=AT, due_at=AT)
    assert kept_of(run.key, record_of(run, 1), None, CODEC).run == run


def test_records_tell_how_their_runs_stand():
    """Also those of runs that have something in common with one before."""
    standing_of = run_standings("agent", CODEC)
    others = [
        replace(RUN, task_id="t2", queued_at=AT + timedelta(seconds=1), seconds=4.5, result=b"5"),
        replace(RUN, task_id="t3", due_at=AT, result=None, errors=()),
        replace(RUN, task_id="t4", state=RunState.RUNNING),
    ]
    for run in (RUN, *others, RUN):
        names = RunStanding.__struct_fields__
        standing = standing_of(run.task_id, record_of(run, 4))
        assert standing == RunStanding(**{name: getattr(run, name) for name in names})


def test_absent_record_is_no_run():
    assert kept_of(RUN.key, None, None, CODEC) is ABSENT
