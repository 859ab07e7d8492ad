"""What is kept of a run comes back whole."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import orjson

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.redis.forms import ABSENT, kept_as, kept_of, record_of
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError
from omnidaemon.domain.return_address import ReturnAddress
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState

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


def test_record_comes_back_whole():
    kept = kept_as(RUN, 4)
    assert kept_of(RUN.key, record_of(kept, CODEC), repr(RUN.lease_until).encode(), CODEC) == kept


def test_record_begins_with_what_is_compared():
    """As stored by every version of this schema: the scripts read it."""
    assert record_of(kept_as(RUN, 4), CODEC).startswith(b"running\t7\tw1\t1\t4\n")


def test_record_of_an_earlier_version_comes_back():
    """Before runs had a return address."""
    run = attrs.evolve(RUN, return_address=None)
    head, details, result = record_of(kept_as(run, 4), CODEC).split(b"\n", 2)
    record = b"\n".join((head, orjson.dumps(orjson.loads(details)[:-1]), result))
    assert kept_of(run.key, record, repr(run.lease_until).encode(), CODEC).run == run


def test_no_result_is_not_an_empty_one():
    run = Run(task_id="t1", subscription=RUN.subscription, state=RunState.QUEUED, queued_at=AT, due_at=AT)
    assert kept_of(run.key, record_of(kept_as(run, 1), CODEC), None, CODEC).run == run


def test_absent_record_is_no_run():
    assert kept_of(RUN.key, None, None, CODEC) is ABSENT
