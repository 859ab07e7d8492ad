"""The wire form of tasks: bytes that outlive this version."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.adapters.codecs.task_form import fields_of, parsed, task_of, usual_task
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.values import replace

GOLDEN = Path(__file__).parent / "golden"
CODEC = JsonCodec()

MINIMAL = Task(
    task_id="0193a5f0-7a10-7c3e-8b5d-1f2e3d4c5b6a",
    topic="greet.user",
    payload=b"null",
    created_at=datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC),
)
FULL = replace(
    MINIMAL,
    payload='{"name":"Åda","tags":["a","b"],"n":-1,"share":0.5,"deep":{"payload":null}}'.encode(),
    due_at=datetime(2026, 11, 25, 8, 0, 0, 1, tzinfo=UTC),
    headers={"tenant": "acme", "payload": 'a ,"payload": in a text'},
    webhook="https://example.com/hook?a=1&b=2",
    reply_to="greet.answers",
    correlation_id="0193a5f0-0000-7000-8000-000000000001",
    causation_id="0193a5f0-0000-7000-8000-000000000002",
    idempotency_key='order "42"',
    trace_context="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)
PLAIN = replace(MINIMAL, payload=b'{"name":"Alice"}', correlation_id=MINIMAL.task_id)
REPLY = replace(MINIMAL, causation_id="0193a5f0-0000-7000-8000-000000000002", hops=3)
GOLDEN_TASKS = {
    "task-1-minimal.json": MINIMAL,
    "task-1-plain.json": PLAIN,
    "task-1-full.json": FULL,
    "task-1-reply.json": REPLY,
}


def decoded(raw: bytes) -> Task | Unreadable:
    return CODEC.decode_task(raw, task_id="known-id", topic="known.topic")


def readable(raw: bytes) -> Task:
    task = decoded(raw)
    assert isinstance(task, Task), task
    return task


def unreadable(raw: bytes) -> Unreadable:
    task = decoded(raw)
    assert isinstance(task, Unreadable)
    assert (task.task_id, task.topic, task.raw) == ("known-id", "known.topic", raw)
    return task


def minimal_fields(**changes: object) -> bytes:
    """The JSON of the smallest task with some fields changed, or left out where the change is `...`."""
    fields = json.loads(CODEC.encode_task(MINIMAL)) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


@pytest.mark.parametrize("name", GOLDEN_TASKS)
def test_golden_bytes_decode(name):
    """What an earlier version wrote is still the same task."""
    assert decoded((GOLDEN / name).read_bytes()) == GOLDEN_TASKS[name]


@pytest.mark.parametrize("name", GOLDEN_TASKS)
def test_golden_bytes_are_what_is_written(name):
    """A task is written to the letter as earlier versions wrote it; a change here needs a new schema number."""
    assert CODEC.encode_task(GOLDEN_TASKS[name]) == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"task_id": 'a "quoted"\\ one', "correlation_id": 'a "quoted"\\ one'},
        {"topic": "tópic"},
        {"created_at": datetime(2026, 11, 24, 12, 30, tzinfo=UTC)},
        {"created_at": datetime(2026, 11, 24, 12, 30, tzinfo=timezone(timedelta(hours=2)))},
        {"correlation_id": "another"},
        *({name: getattr(FULL, name)} for name in ("due_at", "headers", "webhook", "reply_to", "causation_id")),
        *({name: getattr(FULL, name)} for name in ("idempotency_key", "trace_context")),
        {"hops": 1},
    ],
    ids=repr,
)
def test_what_most_tasks_are_is_written_like_all_others(change):
    """There is a shorter way to the same bytes."""
    task = replace(PLAIN, **change)
    assert CODEC.encode_task(task) == orjson.dumps(fields_of(task))


@pytest.mark.parametrize("payload", ['"Zoë"', "[1, 2]", '{"a": 1, "payload": null}', "[" * 64 + "]" * 64, "1e5"])
def test_what_most_tasks_are_is_read_like_all_others(payload):
    """There is a shorter way to the same task."""
    text = CODEC.encode_task(replace(PLAIN, payload=payload.encode()))
    quick = usual_task(text, PLAIN.topic)
    assert quick == task_of(*parsed(text)) == replace(PLAIN, payload=payload.encode())
    assert quick.created_at.tzinfo is UTC


@pytest.mark.parametrize("payload", [b'"\xff"', b'"\\ud800"', b"1e999", b"01", b"NaN", b"[" * 65 + b"]" * 65], ids=repr)
def test_the_shorter_way_is_no_more_lenient(payload):
    text = CODEC.encode_task(replace(PLAIN, payload=b"42")).replace(b"42", payload)
    assert usual_task(text, PLAIN.topic) is None
    assert isinstance(CODEC.decode_task(text, task_id="t1", topic=PLAIN.topic), Unreadable)


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-01T00:00:00+02:00",
        "2026-01-01T00:00:00.123456789Z",
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00Z",
        "20260101T000000Z",
        "2026-01-01T00:00:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "yesterday",
    ],
)
def test_both_ways_read_a_time_alike(time):
    """The same instant in UTC, or the same refusal; and what is read can be written."""
    text = CODEC.encode_task(PLAIN).replace(orjson.dumps(PLAIN.created_at), json.dumps(time).encode())
    assert json.loads(text)["created_at"] == time
    quick, thorough = (CODEC.decode_task(form, task_id="t1", topic=PLAIN.topic) for form in (text, with_hops(text)))
    if isinstance(thorough, Unreadable):
        assert isinstance(quick, Unreadable)
        assert quick.reason == thorough.reason
    else:
        assert quick == thorough
        assert quick.created_at.tzinfo is UTC
        assert CODEC.decode_task(CODEC.encode_task(quick), task_id="t1", topic=PLAIN.topic) == quick


def with_hops(text: bytes) -> bytes:
    """The same task, in a form that is read with more care."""
    return text.replace(b'"schema":1', b'"schema":1,"hops":0')


def test_the_shorter_way_knows_its_topic():
    """What lies in the queue of another is read with more care."""
    assert usual_task(CODEC.encode_task(PLAIN), "another") is None


def test_every_golden_file_is_tested():
    """No golden file is left aside."""
    assert {path.name for path in GOLDEN.glob("task-*.json")} == set(GOLDEN_TASKS)


@pytest.mark.parametrize("order", [("payload", "headers", "schema"), ("headers", "payload", "schema")])
def test_keys_may_come_in_any_order_and_spacing(order):
    """What another program wrote need not look like ours."""
    fields = json.loads((GOLDEN / "task-1-full.json").read_bytes())
    shuffled = {name: fields[name] for name in (*order, *sorted(set(fields) - set(order)))}
    task = readable(json.dumps(shuffled, indent=2).encode() + b"\n")
    assert json.loads(task.payload) == json.loads(FULL.payload)
    assert replace(task, payload=FULL.payload) == FULL


def test_unknown_keys_are_passed_over():
    """A newer version may add keys to schema 1."""
    assert decoded(minimal_fields(priority=5)) == MINIMAL


def test_nulls_count_as_absent():
    """A field of null is like one left out."""
    assert decoded(minimal_fields(webhook=None, due_at=None, headers=None)) == MINIMAL


def test_a_payload_of_null_is_a_payload():
    """null is a JSON value like any other."""
    assert readable(minimal_fields(payload=None)).payload == b"null"


def test_times_come_back_in_utc():
    """The zone in which a time was written does not matter."""
    there = timezone(timedelta(hours=2))
    task = replace(MINIMAL, created_at=MINIMAL.created_at.astimezone(there))
    created_at = readable(CODEC.encode_task(task)).created_at
    assert created_at == MINIMAL.created_at
    assert created_at.tzinfo is UTC


def test_a_time_without_zone_is_not_written():
    """A naive time names no instant."""
    with pytest.raises(ValueError, match="no time zone"):
        CODEC.encode_task(replace(MINIMAL, created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not a JSON object but list"),
        (b'"x"', "not a JSON object but str"),
        (b"{}", "schema is missing"),
        (b"[" * 100_000, "not JSON"),
        (minimal_fields(schema=True), "schema is True"),
        (minimal_fields(schema=0), "schema is 0"),
        (minimal_fields(schema="1"), "schema is '1'"),
        (minimal_fields(payload=...), "payload is missing"),
        (minimal_fields(task_id=...), "task_id is missing"),
        (minimal_fields(topic=None), "topic is missing"),
        (minimal_fields(topic="a b"), "'a b' is not a valid topic"),
        (minimal_fields(task_id="../x"), "'../x' is not a valid task_id"),
        (minimal_fields(task_id=7), "7 is not a valid task_id"),
        (minimal_fields(reply_to="a/b"), "'a/b' is not a valid reply_to"),
        (minimal_fields(created_at=...), "created_at is missing"),
        (minimal_fields(created_at="yesterday"), "created_at is 'yesterday'"),
        (minimal_fields(created_at="2026-01-01T00:00:00"), "created_at is '2026-01-01T00:00:00'"),
        (minimal_fields(created_at="0001-01-01T00:00:00+23:00"), "created_at is '0001-"),
        (minimal_fields(due_at=5), "due_at is 5"),
        (minimal_fields(headers=["a"]), "headers is"),
        (minimal_fields(headers={"a": 1}), "headers is"),
        (minimal_fields(webhook=1), "webhook is 1"),
    ],
)
def test_garbage_is_unreadable_for_good_and_says_why(raw, reason):
    """What nobody can decode comes back whole, with a reason that names the field."""
    task = unreadable(raw)
    assert reason in task.reason
    assert not task.is_newer


@pytest.mark.parametrize("changes", [{}, {"payload": ...}, {"topic": {"tenant": "a"}}])
def test_a_higher_schema_number_is_for_a_newer_worker(changes):
    """A form from the future waits for somebody who knows it, whatever it looks like."""
    task = unreadable(minimal_fields(schema=2, **changes))
    assert task.is_newer
    assert task.reason == "schema 2 is newer than 1, the newest known here"


def test_an_unreadable_task_is_written_as_it_came():
    """Encoding gives the bytes back to the letter."""
    raw = b'{"schema": 7, \xff'
    assert CODEC.encode_task(unreadable(raw)) == raw


@pytest.mark.parametrize(("depth", "is_readable"), [(64, True), (65, False), (300, False), (1000, False)])
@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "foreign"])
def test_a_payload_nests_64_levels_at_most(depth, is_readable, is_ours):
    """Whoever reads a payload can rely on the limit, also of what another program published."""
    payload = b"[" * depth + b"]" * depth
    raw = CODEC.encode_task(replace(MINIMAL, payload=payload)) + (b"" if is_ours else b"\n")
    if is_readable:
        assert readable(raw).payload == payload
    else:
        assert unreadable(raw).reason == "payload is nested deeper than 64 levels"


def test_many_objects_beside_one_another_are_not_deep():
    """The limit is on depth, not on size."""
    payload = CODEC.encode_payload([{"a": [1]}] * 1000)
    assert readable(CODEC.encode_task(replace(MINIMAL, payload=payload))).payload == payload


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary())
def test_no_bytes_make_decoding_raise(raw):
    """Any bytes are a task or unreadable."""
    assert isinstance(decoded(raw), Task | Unreadable)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.dictionaries(
        st.sampled_from(["schema", "task_id", "topic", "created_at", "due_at", "headers", "webhook", "payload", "x"]),
        st.one_of(
            st.recursive(
                st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=5,
            ),
            st.just(1),
            st.just("2026-11-24T12:30:15Z"),
            st.just("name"),
        ),
    )
)
def test_no_object_makes_decoding_raise(fields):
    """Any JSON object is a task or unreadable, whatever its fields hold."""
    assert isinstance(decoded(json.dumps(fields).encode()), Task | Unreadable)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.builds(
        Task,
        task_id=st.text("azAZ09._-", min_size=1, max_size=200),
        topic=st.text("azAZ09._-", min_size=1, max_size=200),
        payload=st.sampled_from([b"1", b'{"a":[1.5,",\\"payload\\":"]}', b'{"a":1,"payload":2}', b'" "']),
        created_at=st.datetimes(timezones=st.just(UTC)),
        due_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        headers=st.dictionaries(st.text() | st.just("payload"), st.text()),
        webhook=st.none() | st.text(),
        idempotency_key=st.none() | st.text() | st.just(',"payload":1'),
    )
)
def test_any_task_comes_back_to_the_letter(task):
    """Decoding is the inverse of encoding, down to the spelling of the payload."""
    assert decoded(CODEC.encode_task(task)) == task
