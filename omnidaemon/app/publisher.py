"""Publishing: from what a caller gives to a task that the bus has confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NoReturn, cast

from omnidaemon.app.drafts import Draft, is_plain, plain_task, task_of
from omnidaemon.app.joined_publishing import MOST_TASKS, JoinedPublishing
from omnidaemon.app.pairing import logging_bus
from omnidaemon.domain.errors import (
    IdempotencyConflict,
    InvalidValue,
    NobodyListens,
    OmniDaemonError,
    PayloadTooLarge,
    PublishFailed,
)
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import Value
from omnidaemon.ports.bus import Confirmation, EventBus, Receipt
from omnidaemon.ports.clock import Clock, IdSource
from omnidaemon.ports.codec import Codec
from omnidaemon.ports.storage import Storage
from omnidaemon.ports.telemetry import Level, Telemetry

_ENOUGH = 33
"""Tasks of as many callers keep a server busy for as long as it takes to make those of as many others."""

_key_of = attrgetter("idempotency_key")
_due_at_of = attrgetter("due_at")


class Publication(Value, kw_only=True):
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
        self._joined = (
            JoinedPublishing(self._published_and_logged)
            if logging is None
            else JoinedPublishing(logging.publish_logged, enough=_ENOUGH)
        )
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
        (chosen,) = await self._published([task])
        return Publication(
            task_id=chosen.task_id, known_since=None if chosen.task_id == task.task_id else chosen.created_at
        )

    async def publish_plain(self, topic: str, payload: object) -> str:
        """As `publish()`, for one of which nothing else is asked: its id."""
        if not is_plain(payload):
            return (await self.publish_one(Draft(topic=topic, payload=payload))).task_id
        task = plain_task(topic, self._payload(payload), task_id=self._ids.new_id(), now=self._clock.now().at)
        receipts = await self._joined.publish([task])
        if receipts[0].confirmation is not Confirmation.CONFIRMED:
            await self._fail([task], receipts)
        return task.task_id

    async def publish_alike(
        self, tasks: Sequence[tuple[str, object]], *, webhook: str | None = None, reply_to: str | None = None
    ) -> list[str]:
        """As `publish()`, for many of which topic and payload are all that differs."""
        now = self._clock.now().at
        made: list[Task] = []
        for task, task_id in zip(tasks, self._ids.new_ids(len(tasks)), strict=True):
            try:
                topic, payload = task
            except (TypeError, ValueError):
                raise InvalidValue("tasks", task, "a topic and a payload for each") from None
            if webhook is None and reply_to is None and is_plain(payload):
                made.append(plain_task(topic, self._payload(payload), task_id=task_id, now=now))
            else:
                draft = Draft(topic=topic, payload=payload, webhook=webhook, reply_to=reply_to)
                made.append(self._task(draft, task_id, now))
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
        for receipt in receipts:
            if receipt.confirmation is not Confirmation.CONFIRMED:
                await self._fail(tasks, receipts)

    async def _fail(self, tasks: Sequence[Task], receipts: Sequence[Receipt]) -> NoReturn:
        """Raise for the first of the tasks that the bus has not confirmed."""
        failed = [receipt for receipt in receipts if receipt.confirmation is not Confirmation.CONFIRMED]
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
