"""What a caller may ask to be published, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TypedDict, cast

from omnidaemon.domain.errors import InvalidName, InvalidValue
from omnidaemon.domain.names import checked_name, is_name
from omnidaemon.domain.task import Task
from omnidaemon.domain.texts import LONGEST_TEXT, is_text
from omnidaemon.domain.values import Value
from omnidaemon.domain.webhook_url import checked_webhook

_LONGEST_DELAY = timedelta(seconds=1e10)
"""Three centuries; what is longer is a slip, such as milliseconds."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_DELAY = "zero to 10,000,000,000 seconds"
_TEXT = f"a text of at most {LONGEST_TEXT} characters that UTF-8 can carry"


class PublishOptions(TypedDict, total=False):
    """What may be said of a task beside its topic and payload."""

    webhook: str | None
    reply_to: str | None
    delay: float | timedelta | None
    due_at: datetime | None
    idempotency_key: str | None
    correlation_id: str | None
    causation_id: str | None
    headers: Mapping[str, str] | None


class Draft(Value, kw_only=True, gc=True):
    """A task as a caller asks for it. `payload` is any JSON value; `delay` and `due_at` exclude one another. Where
    `webhook` and `reply_to` are None, keys of these names in an object that is the payload count. `hops` are those of
    the task whose handler publishes it."""

    topic: str
    payload: object
    webhook: str | None = None
    reply_to: str | None = None
    delay: float | timedelta | None = None
    due_at: datetime | None = None
    idempotency_key: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    headers: Mapping[str, str] | None = None
    hops: int = 0


def task_of(draft: Draft, payload: bytes, *, task_id: str, now: datetime) -> Task:
    """The task that is asked for; `InvalidInput` for all that is wrong with it, whatever a caller may have passed."""
    return Task(
        task_id=task_id,
        topic=checked_name("topic", draft.topic),
        payload=payload,
        created_at=now,
        due_at=_due_at(draft, now),
        headers=_NO_HEADERS if draft.headers is None else _headers(draft.headers),
        webhook=_told(draft, "webhook", draft.webhook, checked_webhook),
        reply_to=_told(draft, "reply_to", draft.reply_to, _topic),
        hops=draft.hops,
        correlation_id=task_id if draft.correlation_id is None else _text("correlation_id", draft.correlation_id),
        causation_id=None if draft.causation_id is None else _text("causation_id", draft.causation_id),
        idempotency_key=None if draft.idempotency_key is None else _text("idempotency_key", draft.idempotency_key),
    )


def is_plain(payload: object) -> bool:
    """Whether the payload says nothing itself of who hears of the end."""
    return not (isinstance(payload, dict) and ("webhook" in payload or "reply_to" in payload))


def plain_task(topic: str, payload: bytes, *, task_id: str, now: datetime) -> Task:
    """As `task_of`, where the payload is plain and nothing else is asked: most are so, and a draft would cost as much
    as the task."""
    return Task(
        task_id=task_id,
        topic=checked_name("topic", topic),
        payload=payload,
        created_at=now,
        correlation_id=task_id,
    )


def _due_at(draft: Draft, now: datetime) -> datetime | None:
    if draft.delay is not None and draft.due_at is not None:
        raise InvalidValue("delay", draft.delay, "either delay or due_at, not both")
    if draft.due_at is not None:
        return _utc(draft.due_at)
    if draft.delay is None:
        return None
    delay = draft.delay if isinstance(draft.delay, timedelta) else _seconds(draft.delay)
    if not timedelta(0) <= delay <= _LONGEST_DELAY:
        raise InvalidValue("delay", draft.delay, _DELAY)
    return now + delay


def _told(draft: Draft, key: str, given: str | None, checked: Callable[[str, object], str]) -> str | None:
    """Who hears of the end: as given, else as an object that is the payload says; null there is nobody."""
    if given is not None:
        return checked(key, given)
    payload = draft.payload
    named = cast("dict[object, object]", payload).get(key) if isinstance(payload, dict) else None
    return None if named is None else checked(f"{key} in the payload", named)


def _topic(name: str, value: object) -> str:
    if not is_name(value):
        raise InvalidName(name, value)
    return value


def _utc(value: object) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidValue("due_at", value, "a datetime with a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidValue("due_at", value, "a time before the year 10000") from None


def _seconds(value: object) -> timedelta:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise InvalidValue("delay", value, "seconds or a timedelta")
    try:
        return timedelta(seconds=value)
    except (ValueError, OverflowError):
        raise InvalidValue("delay", value, _DELAY) from None


def _headers(headers: object) -> Mapping[str, str]:
    if not isinstance(headers, Mapping):
        raise InvalidValue("headers", headers, "a mapping of names to texts")
    checked: dict[str, str] = {}
    for name, text in cast("Mapping[object, object]", headers).items():
        checked_name("header", name)
        if not is_text(text):
            # Not shown: a header may be a secret.
            raise InvalidValue(f"headers[{name!r}]", type(text).__name__, _TEXT)
        checked[str(name)] = str(text)
    return MappingProxyType(checked)


def _text(name: str, value: object) -> str:
    if value != "" and is_text(value):
        return str(value)
    raise InvalidValue(name, value, f"{_TEXT}, not an empty one")
