"""What every Codec keeps: values come back as they were, bad bytes raise nothing unforeseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import attrs
import pytest

from omnidaemon.domain.agent import AgentProfile, AgentRecord, Start, WhenStopped, WorkerReport
from omnidaemon.domain.errors import InvalidValue, PayloadNotJson
from omnidaemon.domain.journal import EventKind, JournalEvent
from omnidaemon.domain.metrics import Metrics
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.outcome import AttemptError, ErrorKind
from omnidaemon.domain.run import Run
from omnidaemon.domain.states import RunState
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace
from omnidaemon.ports.codec import Codec

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SUBSCRIPTION = Subscription("greet.user", "greeter")
BARE = Task(task_id="t1", topic="greet.user", payload=b'{"name":"Alice"}', created_at=AT)
FULL = replace(
    BARE,
    payload='["Zoë", 1.5, null]'.encode(),
    due_at=AT,
    headers={"k": "v"},
    webhook="https://example.org/",
    reply_to="replies",
    correlation_id="root",
    causation_id="cause",
    idempotency_key="key",
    trace_context="00-1-2-01",
)
STORED = [
    # A stored form may write JSON text without its blanks; the wire form keeps a payload byte for byte.
    replace(FULL, payload='["Zoë",1.5,null]'.encode()),
    Unreadable(task_id="t1", topic="greet.user", raw=b"\x00\xff", reason="schema 9", is_newer=True),
    Run(task_id="t1", subscription=SUBSCRIPTION, state=RunState.QUEUED, queued_at=AT),
    Run(
        task_id="t1",
        subscription=SUBSCRIPTION,
        state=RunState.WAITING,
        queued_at=AT,
        life=2,
        fence=7,
        owner="w1",
        request="w1:begin:1",
        attempts=2,
        crashes=1,
        due_at=AT,
        lease_until=1234.5678901234567,
        lease_seconds=30.0,
        is_cancel_requested=True,
        is_acked=True,
        started_at=AT,
        finished_at=AT,
        seconds=0.1,
        result=b"\x00[1]",
        errors=(AttemptError(type="E", message="né", kind=ErrorKind.CRASH, traceback="…", attempt=2, at=AT),),
        question="ok?",
        default=b"null",
        answers=(("a", b"1"), ("b", b"2")),
    ),
    AgentRecord(
        profile=AgentProfile(subscription=SUBSCRIPTION, tools=("a",), when_stopped=WhenStopped.SKIP),
        start=Start.NOW,
        registered_at=AT,
        is_stopped=True,
        generation=3,
    ),
    WorkerReport(incarnation="w1", host="h", pid=1, started_at=AT, subscriptions=(SUBSCRIPTION,), running=2),
    JournalEvent(kind=EventKind.STARTED, task_id="t1", topic="greet.user", at=AT, agent="greeter", detail="é"),
    Metrics(tasks_received=3, seconds_sum=0.1, timings=((0, 1), (7, 2))),
]


class _Colour(StrEnum):
    RED = "red"


@attrs.frozen
class _Point:
    x: int
    tags: frozenset[str] = frozenset()


class CodecContract:
    """A subclass overrides `make_codec`."""

    def make_codec(self) -> Codec:
        """The codec under test."""
        raise NotImplementedError(f"{type(self).__name__}.make_codec(): return your codec")

    @pytest.fixture
    def codec(self) -> Codec:
        """The codec under test."""
        return self.make_codec()

    @pytest.mark.parametrize("task", [BARE, FULL], ids=["bare", "full"])
    def test_task_comes_back_from_the_wire(self, codec: Codec, task: Task) -> None:
        """As it was, payload byte for byte; the wire form is JSON text."""
        raw = codec.encode_task(task)
        assert isinstance(json.loads(raw), dict)
        assert codec.decode_task(raw, task_id="other", topic="other") == task

    @pytest.mark.parametrize(
        "raw", [b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b'"text"', b'{"schema": "x"}', b"[" * 10_000], ids=repr
    )
    def test_garbage_is_unreadable(self, codec: Codec, raw: bytes) -> None:
        """Never an exception; the bytes are kept under the id and topic that the caller knows, with the reason."""
        found = codec.decode_task(raw, task_id="t1", topic="greet.user")
        assert isinstance(found, Unreadable)
        assert (found.task_id, found.topic, found.raw, found.is_newer) == ("t1", "greet.user", raw, False)
        assert found.reason
        assert codec.encode_task(found) == raw

    def test_unknown_keys_are_passed_over(self, codec: Codec) -> None:
        """A newer publisher of the same schema may say more."""
        wire: dict[str, Any] = json.loads(codec.encode_task(BARE))
        raw = json.dumps({**wire, "a_key_of_tomorrow": 1}).encode()
        assert codec.decode_task(raw, task_id="t1", topic="greet.user") == BARE

    @pytest.mark.parametrize(
        "value", [None, True, 0, -1.5, "Zoë", [], {}, [1, [2, {"a": None}]], {"ключ": "значение"}], ids=repr
    )
    def test_payload_comes_back(self, codec: Codec, value: object) -> None:
        """Any JSON value, as JSON text in UTF-8; a result does too."""
        assert codec.decode_value(codec.encode_payload(value)) == value
        assert codec.decode_value(codec.encode_result(value)) == value
        assert json.loads(codec.encode_payload(value).decode("utf-8")) == value

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(object(), id="object"),
            {"a": {1, 2}},
            b"bytes",
            float("nan"),
            [float("inf")],
            {1: "one"},
            "\ud800",
        ],
        ids=ascii,
    )
    def test_payload_that_is_no_json_is_refused(self, codec: Codec, value: object) -> None:
        """With a typed error, instead of a silent change of the value."""
        with pytest.raises(PayloadNotJson):
            codec.encode_payload(value)

    def test_result_may_hold_more(self, codec: Codec) -> None:
        """Attrs values, datetimes, enums, bytes, sets and tuples have a JSON form."""
        value = {"point": _Point(1, frozenset({"a"})), "at": AT, "colour": _Colour.RED, "raw": b"\x00", "pair": (1, 2)}
        decoded: Any = codec.decode_value(codec.encode_result(value))
        assert decoded["point"] == {"x": 1, "tags": ["a"]}
        assert datetime.fromisoformat(decoded["at"]) == AT
        assert (decoded["colour"], decoded["raw"], decoded["pair"]) == ("red", "AA==", [1, 2])

    def test_result_that_cannot_be_encoded_is_named(self, codec: Codec) -> None:
        """The error says where in the value it sits."""
        with pytest.raises(TypeError, match="deep"):
            codec.encode_result({"deep": [object()]})

    @pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"nul"], ids=repr)
    def test_value_that_is_no_json_is_refused(self, codec: Codec, raw: bytes) -> None:
        """decode_value() raises ValueError and nothing else."""
        with pytest.raises(ValueError):  # noqa: PT011 - any ValueError will do, that is the contract
            codec.decode_value(raw)

    @pytest.mark.parametrize("value", STORED, ids=lambda value: type(value).__name__)
    def test_stored_value_comes_back(self, codec: Codec, value: object) -> None:
        """Equal in every field, with times to the microsecond and steady readings to the last bit."""
        assert codec.load(codec.dump(value), type(value)) == value

    def test_stored_text_may_be_of_any_kind(self, codec: Codec) -> None:
        """What UTF-8 cannot hold is written out: an outcome must be storable whatever its error says."""
        error = AttemptError(type="ValueError", message="half \ud800, NUL \0, é", traceback="é")
        kept = codec.load(codec.dump((error,)), tuple[AttemptError, ...])[0]
        assert kept.message == "half \\ud800, NUL \0, é"
        assert kept.traceback == "é"

    def test_task_of_half_characters_is_refused(self, codec: Codec) -> None:
        """With a typed error."""
        task = Task(task_id="t1", topic="t", payload=b"{}", created_at=AT, headers={"a": "\ud800"})
        with pytest.raises(InvalidValue):
            codec.encode_task(task)

    def test_stored_value_may_have_unknown_keys(self, codec: Codec) -> None:
        """What a newer version wrote can be read."""
        stored: dict[str, Any] = json.loads(codec.dump(STORED[2]))
        assert codec.load(json.dumps({**stored, "a_key_of_tomorrow": 1}).encode(), Run) == STORED[2]
