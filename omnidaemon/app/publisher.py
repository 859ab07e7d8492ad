"""Publishing: from what a caller gives to a task that the bus has confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import TypedDict, cast

import attrs

from omnidaemon.app.joined_publishing import MOST_TASKS, JoinedPublishing
from omnidaemon.app.pairing import logging_bus
from omnidaemon.domain.errors import (
    IdempotencyConflict,
    InvalidName,
    InvalidValue,
    NobodyListens,
    OmniDaemonError,
    PayloadTooLarge,
    PublishFailed,
)
from omnidaemon.domain.names import checked_name, is_name
from omnidaemon.domain.task import Task
from omnidaemon.domain.texts import LONGEST_TEXT, is_text
from omnidaemon.domain.values import value
from omnidaemon.domain.webhook_url import checked_webhook
from omnidaemon.ports.bus import Confirmation, EventBus, Receipt
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Level, Telemetry

_LONGEST_DELAY = timedelta(seconds=1e10)
"""Three centuries; what is longer is a slip, such as milliseconds."""

_key_of = attrgetter("idempotency_key")
_due_at_of = attrgetter("due_at")
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


@value(kw_only=True)
class Draft:
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


@attrs.frozen(kw_only=True)
class Publication:
    """The task that a draft came to. `known_since`: when that was published, where the draft's idempotency key stood
    for it already; None of one that is new."""

    task_id: str
    known_since: datetime | None = None


class Publisher:
    """Publishes drafts. A returned id means that the bus has confirmed the task, or the store its schedule."""

    def __init__(
        self,
        *,
        bus: EventBus,
        storage: Storage,
        clock: Clock,
        ids: IdSource,
        codec: Codec,
        telemetry: Telemetry,
        payload_max_bytes: int,
    ) -> None:
        self._bus = bus
        self._storage = storage
        logging = logging_bus(bus, storage.capabilities)
        self._joined = JoinedPublishing(self._published_and_logged if logging is None else logging.publish_logged)
        self._clock = clock
        self._ids = ids
        self._codec = codec
        self._telemetry = telemetry
        self._payload_max_bytes = payload_max_bytes

    async def publish(self, drafts: Iterable[Draft]) -> list[str]:
        """The ids of the published tasks, in order. All drafts are checked before any is published.

        Raises `InvalidInput` for a draft that cannot be published, `IdempotencyConflict`, `BackendUnavailable` when
        the store that keeps keys and schedules is away, and `PublishFailed` for the first task that the bus did not
        confirm; those before and after it may have been published.
        """
        now = self._clock.now().at
        tasks = [self._task(draft, self._ids.new_id(), now) for draft in drafts]
        return [task.task_id for task in await self._published(tasks)]

    async def publish_one(self, draft: Draft) -> Publication:
        """As `publish()`, with whether the task was known before."""
        task = self._task(draft, self._ids.new_id(), self._clock.now().at)
        if task.idempotency_key is None and task.due_at is None:
            await self._publish_now([task])
            return Publication(task_id=task.task_id)
        (chosen,) = await self._published([task])
        return Publication(
            task_id=chosen.task_id, known_since=None if chosen.task_id == task.task_id else chosen.created_at
        )

    async def publish_alike(
        self, tasks: Sequence[tuple[str, object]], *, webhook: str | None = None, reply_to: str | None = None
    ) -> list[str]:
        """As `publish()`, for many of which topic and payload are all that differs."""
        now = self._clock.now().at
        made: list[Task] = []
        for (topic, payload), task_id in zip(tasks, self._ids.new_ids(len(tasks)), strict=True):
            if webhook is not None or reply_to is not None or _names_somebody(payload):
                draft = Draft(topic=topic, payload=payload, webhook=webhook, reply_to=reply_to)
                task = self._task(draft, task_id, now)
            else:  # of most; to make a draft of each would cost as much as the task
                task = Task(
                    task_id=task_id,
                    payload=self._payload(payload),
                    topic=checked_name("topic", topic),
                    created_at=now,
                    correlation_id=task_id,
                )
            made.append(task)
        if made:
            await self._publish_now(made)
        return [task.task_id for task in made]

    async def _published(self, tasks: list[Task]) -> list[Task]:
        if any(map(_key_of, tasks)):
            return await self._send_keyed(tasks)
        await self._send(tasks)
        return tasks

    async def _send_keyed(self, tasks: list[Task]) -> list[Task]:
        """Publish what is not known to be published. The tasks that the keys belong to, each in the place of its
        own."""
        keyed = [task for task in tasks if task.idempotency_key is not None]
        stored = dict(zip((task.task_id for task in keyed), await self._reserved(keyed), strict=True))
        chosen = [stored[task.task_id][0] if task.task_id in stored else task for task in tasks]
        confirmed = {task.task_id for task, is_confirmed in stored.values() if is_confirmed}
        wanted = {task.task_id: task for task in chosen if task.task_id not in confirmed}
        await self._send(list(wanted.values()))
        reserved = [task_id for task_id, task in wanted.items() if task.idempotency_key is not None]
        if reserved:
            await self._storage.log.confirm(reserved)
        return chosen

    async def _send(self, tasks: Sequence[Task]) -> None:
        if any(map(_due_at_of, tasks)):
            await self._storage.schedules.put([task for task in tasks if task.due_at is not None])
            tasks = [task for task in tasks if task.due_at is None]
        if tasks:
            await self._publish_now(tasks)

    async def _reserved(self, keyed: Sequence[Task]) -> list[tuple[Task, bool]]:
        """For each keyed task the one that its key belongs to, and whether that one is known to be published."""
        answers: list[tuple[Task, bool]] = []
        for task, answer in zip(keyed, await self._storage.log.reserve(keyed), strict=True):
            known = answer.task
            if known.task_id != task.task_id and not self._is_same_payload(known, task):
                raise IdempotencyConflict(str(task.idempotency_key), known.task_id)
            answers.append((known, answer.is_confirmed))
        return answers

    def _is_same_payload(self, known: Task, task: Task) -> bool:
        if known.payload == task.payload:
            return True
        return _is_same_json(self._codec.decode_value(known.payload), self._codec.decode_value(task.payload))

    async def _publish_now(self, tasks: Sequence[Task]) -> None:
        receipts = await self._joined.publish(tasks)
        failed = [receipt for receipt in receipts if receipt.confirmation is not Confirmation.CONFIRMED]
        if failed:
            # Nobody will ever begin what the bus refused: without this it would be queued for ever in the log. A keyed
            # task is left alone: whoever else found its key may have published it, and a worker will in a minute.
            keyed = {task.task_id for task in tasks if task.idempotency_key is not None}
            refused = {r.task_id for r in failed if r.confirmation is Confirmation.FAILED} - keyed
            await asyncio.gather(*map(self._storage.commands.delete, refused), return_exceptions=True)
            first = failed[0]
            failure = NobodyListens if first.receivers == 0 else PublishFailed
            raise failure(first.task_id, first.reason, is_unknown=first.task_id not in refused)

    async def _published_and_logged(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        """Hand the tasks to the bus and log them, at once. A failed log write is healed by begin()."""
        receipts, logged = await asyncio.gather(self._bus.publish(tasks), self._logged(tasks), return_exceptions=True)
        if isinstance(receipts, BaseException):
            raise receipts
        if isinstance(logged, OmniDaemonError):
            if published := sum(receipt.confirmation is Confirmation.CONFIRMED for receipt in receipts):
                self._telemetry.say(Level.WARNING, f"{published} tasks are published but not logged yet: {logged}")
        elif isinstance(logged, BaseException):
            raise logged
        return receipts

    async def _logged(self, tasks: Sequence[Task]) -> None:
        """In steps: 200,000 in one would keep a server from everybody else for longer than a deadline."""
        for at in range(0, len(tasks), MOST_TASKS):
            await self._storage.log.add(tasks[at : at + MOST_TASKS])

    # --- from a draft to a task ---------------------------------------------------------------------------------------

    def _task(self, draft: Draft, task_id: str, now: datetime) -> Task:
        return task_of(draft, self._payload(draft.payload), task_id=task_id, now=now)

    def _payload(self, payload: object) -> bytes:
        text = self._codec.encode_payload(payload)
        if len(text) > self._payload_max_bytes:
            raise PayloadTooLarge(len(text), self._payload_max_bytes)
        return text


def task_of(draft: Draft, payload: bytes, *, task_id: str, now: datetime) -> Task:
    """The task that is asked for; `InvalidInput` for all that is wrong with it, whatever a caller may have passed."""
    is_told = draft.webhook is not None or draft.reply_to is not None or _names_somebody(draft.payload)
    return Task(
        task_id=task_id,
        topic=checked_name("topic", draft.topic),
        payload=payload,
        created_at=now,
        due_at=None if draft.delay is None and draft.due_at is None else _due_at(draft, now),
        headers=_NO_HEADERS if draft.headers is None else _headers(draft.headers),
        webhook=_told(draft, "webhook", draft.webhook, checked_webhook) if is_told else None,
        reply_to=_told(draft, "reply_to", draft.reply_to, _topic) if is_told else None,
        hops=draft.hops,
        correlation_id=task_id if draft.correlation_id is None else _text("correlation_id", draft.correlation_id),
        causation_id=None if draft.causation_id is None else _text("causation_id", draft.causation_id),
        idempotency_key=None if draft.idempotency_key is None else _text("idempotency_key", draft.idempotency_key),
    )


def _names_somebody(payload: object) -> bool:
    """Whether a payload may say itself who hears of the end."""
    return isinstance(payload, dict) and ("webhook" in payload or "reply_to" in payload)


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


def _is_same_json(known: object, given: object) -> bool:
    """Whether two decoded values are the same JSON: unlike in Python, `true` is not 1 there."""
    match known, given:
        case dict(), dict():
            ours, theirs = cast("dict[str, object]", known), cast("dict[str, object]", given)
            return ours.keys() == theirs.keys() and all(_is_same_json(ours[key], theirs[key]) for key in ours)
        case list(), list():
            items, others = cast("list[object]", known), cast("list[object]", given)
            return len(items) == len(others) and all(map(_is_same_json, items, others))
        case _:
            return known == given and isinstance(known, bool) is isinstance(given, bool)
