"""Publications to a Redis bus: those of concurrent calls go together, and each task gets its receipt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import attrs

from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.line import Line
from omnidaemon.domain.errors import BackendError
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, Receipt
from omnidaemon.ports.codec import Codec

_MOST_TASKS: Final = 500
_MOST_BYTES: Final = 4 * 1024 * 1024
"""What one script takes: some milliseconds, for which everybody else waits."""


@attrs.define(eq=False)
class _Parcel:
    """A part of one call, small enough for one script."""

    task_ids: list[str] = attrs.field(factory=list)
    arguments: list[str | bytes] = attrs.field(factory=list)
    size_bytes: int = 0
    answer: asyncio.Future[list[Receipt]] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())


class Publishing:
    """What is published while a script is under way goes with the next one. `script` takes topic, id and body of each
    task, and returns for each how many agents it reached."""

    def __init__(self, server: RedisConnection, script: str, root: str, codec: Codec) -> None:
        self._script = script
        self._root = root
        self._codec = codec
        self._line = Line(server)
        self._parcels: deque[_Parcel] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, tasks: Sequence[Task]) -> list[Receipt]:
        """One receipt for each task. A call that is cancelled is sent all the same."""
        parcels = list(self._packed(tasks))
        self._parcels += parcels
        if self._sending is None and parcels:
            self._sending = asyncio.create_task(self._send())
        return [receipt for parcel in parcels for receipt in await asyncio.shield(parcel.answer)]

    async def close(self) -> None:
        """Send what is left, and close the connection."""
        if self._sending is not None:
            await self._sending
        await self._line.close()

    def _packed(self, tasks: Sequence[Task]) -> Iterator[_Parcel]:
        parcel = _Parcel()
        for task in tasks:
            body = self._codec.encode_task(task)
            is_full = len(parcel.task_ids) >= _MOST_TASKS or parcel.size_bytes + len(body) > _MOST_BYTES
            if is_full and parcel.task_ids:
                yield parcel
                parcel = _Parcel()
            parcel.task_ids.append(task.task_id)
            parcel.arguments += (task.topic, task.task_id, body)
            parcel.size_bytes += len(body)
        if parcel.task_ids:
            yield parcel

    async def _send(self) -> None:
        try:
            while self._parcels:
                parcels = self._next()
                receipts = iter(await self._receipts(parcels))
                for parcel in parcels:
                    parcel.answer.set_result(list(islice(receipts, len(parcel.task_ids))))
        finally:
            # Not by a callback: what is published before that has run would find a sender that sends no more.
            self._sending = None

    def _next(self) -> list[_Parcel]:
        """The parcels that fit into one script, in order: at least one."""
        parcels = [self._parcels.popleft()]
        count, size_bytes = len(parcels[0].task_ids), parcels[0].size_bytes
        while self._parcels:
            count += len(self._parcels[0].task_ids)
            size_bytes += self._parcels[0].size_bytes
            if count > _MOST_TASKS or size_bytes > _MOST_BYTES:
                break
            parcels.append(self._parcels.popleft())
        return parcels

    async def _receipts(self, parcels: list[_Parcel]) -> list[Receipt]:
        task_ids = [task_id for parcel in parcels for task_id in parcel.task_ids]
        arguments: list[Any] = [argument for parcel in parcels for argument in parcel.arguments]
        try:
            receivers = await self._line.script(packaged_script(self._script), self._root, arguments)
        except BackendError as error:
            confirmation = Confirmation.UNKNOWN if self._line.is_in_doubt else Confirmation.FAILED
            return [Receipt(task_id=task_id, confirmation=confirmation, reason=str(error)) for task_id in task_ids]
        return [
            Receipt(task_id=task_id, confirmation=Confirmation.CONFIRMED, receivers=int(count))
            for task_id, count in zip(task_ids, receivers, strict=True)
        ]
