"""The wire form of a task, schema 1: one JSON object, its payload embedded as JSON and last.

Bytes of this form wait in queues and stores across upgrades, so schema 1 never changes but by keys that an older
version may pass over; anything else is a new number. `tests/unit/adapters/codecs/golden` holds its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from omnidaemon.adapters.codecs.plain_json import MAX_DEPTH, is_too_deep
from omnidaemon.adapters.codecs.timestamps import from_text, in_utc
from omnidaemon.domain.errors import InvalidName
from omnidaemon.domain.names import is_name
from omnidaemon.domain.task import Task

SCHEMA = 1
_PAYLOAD = b',"payload":'
_USUAL = b'{"schema":%d,"task_id":%%b,"topic":%%b,"created_at":%%b,"correlation_id":%%b,"payload":%%b}' % SCHEMA
_TEXTS = ("webhook", "reply_to", "correlation_id", "causation_id", "idempotency_key", "trace_context")


class _Usual(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """All that most tasks say."""

    schema: int
    task_id: str
    topic: str
    created_at: str
    correlation_id: str
    payload: msgspec.Raw


_usual_of = msgspec.json.Decoder(_Usual).decode


class UnreadableForm(ValueError):
    """These bytes are no task. `is_newer`: a later version may know what they are."""

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


def text_of(task: Task) -> bytes:
    """The wire form. `TypeError` for a text that UTF-8 cannot hold."""
    if (
        task.correlation_id != task.task_id
        or task.due_at
        or task.headers
        or task.webhook is not None
        or task.reply_to is not None
        or task.causation_id is not None
        or task.idempotency_key is not None
        or task.trace_context is not None
        or task.hops
    ):
        return orjson.dumps(fields_of(task))
    # Of most tasks there is nothing else to say: the same bytes in half the time.
    task_id = orjson.dumps(task.task_id)
    return _USUAL % (task_id, orjson.dumps(task.topic), _time_text(task.created_at), task_id, task.payload)


_usual_time = lru_cache(maxsize=64)(from_text)  # of a batch it is the same


@lru_cache(maxsize=64)
def _time_text(at: datetime) -> bytes:
    return orjson.dumps(in_utc(at))


def fields_of(task: Task) -> dict[str, object]:
    """What the JSON object of a task holds, ready for orjson. What is None or empty is left out."""
    fields: dict[str, object] = {
        "schema": SCHEMA,
        "task_id": task.task_id,
        "topic": task.topic,
        "created_at": in_utc(task.created_at),
    }
    if task.due_at is not None:
        fields["due_at"] = in_utc(task.due_at)
    if task.headers:
        fields["headers"] = dict(task.headers)
    for name in _TEXTS:
        if (text := getattr(task, name)) is not None:
            fields[name] = text
    if task.hops:
        fields["hops"] = task.hops
    fields["payload"] = orjson.Fragment(task.payload)
    return fields


def usual_task(raw: bytes, topic: str) -> Task | None:
    """The task of this topic that the bytes are, read in one pass; None of bytes that take a closer look."""
    try:
        form = _usual_of(raw)
        payload = bytes(form.payload)
        value = orjson.loads(payload)  # until here it was only seen where it ends
        created_at = _usual_time(form.created_at)
    except (ValueError, OverflowError, RecursionError):
        return None
    if form.schema != SCHEMA or form.topic != topic or not is_name(form.task_id) or is_too_deep(payload, value):
        return None
    return Task(
        task_id=form.task_id,
        topic=topic,
        payload=payload,
        created_at=created_at,
        correlation_id=form.correlation_id,
    )


def parsed(raw: bytes) -> tuple[Mapping[str, Any], bytes]:
    """The fields of a task's JSON object and the text of its payload; raises `UnreadableForm`."""
    # What this version wrote has the payload last: it is cut out as it stands, which spares writing it anew. If both
    # parts are JSON, so is the whole; if either isn't (a header may be called "payload" too), the long way decides.
    at = raw.find(_PAYLOAD)
    if at > 0 and raw.endswith(b"}"):
        payload = raw[at + len(_PAYLOAD) : -1]
        try:
            fields, value = orjson.loads(raw[:at] + b"}"), orjson.loads(payload)
        except orjson.JSONDecodeError:
            return _parsed_whole(raw)
        if type(fields.get("schema")) is int and fields["schema"] == SCHEMA:
            return fields, _checked_payload(payload, value)
    return _parsed_whole(raw)


def _parsed_whole(raw: bytes) -> tuple[Mapping[str, Any], bytes]:
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UnreadableForm(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise UnreadableForm(f"not a JSON object but {type(fields).__name__}")
    return fields, payload_of(fields)


def payload_of(fields: Mapping[str, Any]) -> bytes:
    """The payload of a parsed task as JSON text; raises `UnreadableForm`, also for another schema."""
    _check_schema(fields.get("schema"))
    if "payload" not in fields:
        raise UnreadableForm("payload is missing")
    value = fields["payload"]
    try:
        payload = orjson.dumps(value)
    except TypeError as error:  # orjson's own limit of depth is below what it reads
        raise UnreadableForm(f"payload is nested deeper than {MAX_DEPTH} levels") from error
    return _checked_payload(payload, value)


def _check_schema(schema: object) -> None:
    if schema is None:
        raise UnreadableForm("schema is missing")
    if type(schema) is not int or schema < SCHEMA:
        raise UnreadableForm(f"schema is {schema!r}, expected a number from {SCHEMA}")
    if schema > SCHEMA:
        raise UnreadableForm(f"schema {schema} is newer than {SCHEMA}, the newest known here", is_newer=True)


def _checked_payload(payload: bytes, value: object) -> bytes:
    if is_too_deep(payload, value):
        raise UnreadableForm(f"payload is nested deeper than {MAX_DEPTH} levels")
    return payload


def task_of(fields: Mapping[str, Any], payload: bytes) -> Task:
    """The task of these fields; raises `UnreadableForm` naming the field that is missing or wrong."""
    known: dict[str, Any] = {}
    for name, value in fields.items():
        if value is not None and (reader := _READERS.get(name)):
            known[name] = reader(name, value)
    for name in _REQUIRED:
        if name not in known:
            raise UnreadableForm(f"{name} is missing")
    return Task(payload=payload, **known)


def _name(field: str, text: object) -> str:
    if is_name(text):
        return text
    raise UnreadableForm(str(InvalidName(field, text)))


def _time(field: str, text: str) -> datetime:
    try:
        return from_text(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableForm(f"{field} is {text!r}, expected a time with its zone in ISO 8601") from error


def _text(field: str, text: object) -> str:
    if isinstance(text, str):
        return text
    raise UnreadableForm(f"{field} is {text!r}, expected text")


def _count(field: str, number: object) -> int:
    if type(number) is int and number >= 0:
        return number
    raise UnreadableForm(f"{field} is {number!r}, expected a number from 0")


def _headers(field: str, headers: object) -> dict[str, str]:
    if isinstance(headers, dict) and all(isinstance(text, str) for text in headers.values()):
        return headers
    raise UnreadableForm(f"{field} is {headers!r}, expected an object of texts")


_REQUIRED = ("task_id", "topic", "created_at")
_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "task_id": _name,
    "topic": _name,
    "created_at": _time,
    "due_at": _time,
    "headers": _headers,
    "hops": _count,
    "reply_to": _name,
    **dict.fromkeys(("webhook", "correlation_id", "causation_id", "idempotency_key", "trace_context"), _text),
}
