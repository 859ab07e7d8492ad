"""Publications to a Redis bus: many tasks in one script, and a receipt for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.line import Line
from omnidaemon.adapters.redis.roster import Roster
from omnidaemon.domain.errors import BackendError
from omnidaemon.domain.instant import micros
from omnidaemon.domain.task import Task
from omnidaemon.ports.bus import Confirmation, Receipt
from omnidaemon.ports.codec import Codec

_MOST_TASKS: Final = 500
_MOST_BYTES: Final = 4 * 1024 * 1024
"""What one script takes: some milliseconds, for which everybody else waits."""

Send = Callable[[Line, Sequence[Task], Sequence[bytes]], Awaitable[Sequence[int]]]
"""Hands tasks, each with its body, to the server; how many agents each of them reached."""


def publishes(script: str, root: str) -> Send:
    """By a script of the bus alone, which takes topic, id and body of each task."""

    async def send(line: Line, tasks: Sequence[Task], bodies: Sequence[bytes]) -> Sequence[int]:
        words = [word for task, body in zip(tasks, bodies, strict=True) for word in (task.topic, task.task_id, body)]
        receivers: Sequence[int] = await line.script(packaged_script(script), (root,), words)
        return receivers

    return send


def publishes_logged(script: str, prefix: str, root: str, roster: Roster) -> Send:
    """By a script that writes the log of this namespace too, which takes the roster, then id, topic, time of creation
    and body of each task."""

    async def send(line: Line, tasks: Sequence[Task], bodies: Sequence[bytes]) -> Sequence[int]:
        words: list[Any] = []
        for task, body in zip(tasks, bodies, strict=True):
            words += (task.task_id, task.topic, micros(task.created_at), body)

        async def call(named: list[Any]) -> Sequence[Any]:
            reply: Sequence[Any] = await line.script(packaged_script(script), (prefix, root), [*named, *words])
            return reply

        receivers: Sequence[int] = await roster.settled((task.topic for task in tasks), call)
        return receivers

    return send


class Publishing:
    """One call after the other, each in parts that are small enough for one script. Concurrent callers that shall share
    a script are joined above the ports."""

    def __init__(self, server: RedisConnection, codec: Codec, send: Send) -> None:
        self._send = send
        self._codec = codec
        self._line = Line(server)
        self._turn = asyncio.Lock()

    async def publish(self, tasks: Sequence[Task]) -> list[Receipt]:
        """One receipt for each task."""
        receipts: list[Receipt] = []
        for some, bodies in self._parts(tasks):
            async with self._turn:
                receipts += await self._receipts(some, bodies)
        return receipts

    async def close(self) -> None:
        """Let what is under way be sent, and close the connection."""
        async with self._turn:
            await self._line.close()

    def _parts(self, tasks: Sequence[Task]) -> Iterator[tuple[list[Task], list[bytes]]]:
        some: list[Task] = []
        bodies: list[bytes] = []
        size_bytes = 0
        for task in tasks:
            body = self._codec.encode_task(task)
            if some and (len(some) >= _MOST_TASKS or size_bytes + len(body) > _MOST_BYTES):
                yield some, bodies
                some, bodies, size_bytes = [], [], 0
            some.append(task)
            bodies.append(body)
            size_bytes += len(body)
        if some:
            yield some, bodies

    async def _receipts(self, tasks: Sequence[Task], bodies: Sequence[bytes]) -> list[Receipt]:
        try:
            receivers = await self._send(self._line, tasks, bodies)
        except BackendError as error:
            confirmation = Confirmation.UNKNOWN if self._line.is_in_doubt else Confirmation.FAILED
            return [Receipt(task_id=task.task_id, confirmation=confirmation, reason=str(error)) for task in tasks]
        return [
            Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED, receivers=int(count))
            for task, count in zip(tasks, receivers, strict=True)
        ]
