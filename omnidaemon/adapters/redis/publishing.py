"""Publications to a Redis bus: many tasks in one script, and a receipt for each."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from redis import exceptions

from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.faults import MOST_ROUNDS, translated
from omnidaemon.adapters.redis.pipeline import InDoubt, Pipe, Pipeline
from omnidaemon.adapters.redis.roster import Roster, too_many_rounds
from omnidaemon.domain.errors import BackendError
from omnidaemon.domain.instant import micros
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import Value
from omnidaemon.ports.bus import Confirmation, Receipt
from omnidaemon.ports.codec import Codec

_MOST_TASKS: Final = 250
_MOST_BYTES: Final = 4 * 1024 * 1024
"""What one script takes: a millisecond or two, for which everybody else waits."""

_MOST_UNDER_WAY: Final = 2
"""So the server has the next part at hand when it is done with one, and meanwhile the one after that is made ready."""


class PublishScript(ABC):
    """A script that publishes: what it is told, and what its answer says."""

    def __init__(self, name: str, keys: tuple[str, ...]) -> None:
        script = packaged_script(name)
        self._by_digest = ("EVALSHA", script.digest, len(keys), *keys)
        self._by_text = ("EVAL", script.text, len(keys), *keys)

    def command(self, tasks: Sequence[Task], bodies: Sequence[bytes], *, by_text: bool) -> tuple[Any, ...]:
        """What runs it, by its digest for as long as the server knows that."""
        return (*(self._by_text if by_text else self._by_digest), *self._words(tasks, bodies))

    @property
    def terms(self) -> str:
        """What it is told besides the tasks just now."""
        return ""

    @abstractmethod
    def _words(self, tasks: Sequence[Task], bodies: Sequence[bytes]) -> list[Any]: ...

    @abstractmethod
    def receivers(self, tasks: Sequence[Task], answer: Any) -> Sequence[int] | None:
        """How many agents each of the tasks reached; None where the script has written nothing and wants to be told
        anew."""


class Publish(PublishScript):
    """One of the bus alone, which takes topic, id and body of each task."""

    def __init__(self, name: str, root: str) -> None:
        super().__init__(name, (root,))

    def _words(self, tasks: Sequence[Task], bodies: Sequence[bytes]) -> list[Any]:
        return [word for task, body in zip(tasks, bodies, strict=True) for word in (task.topic, task.task_id, body)]

    def receivers(self, tasks: Sequence[Task], answer: Any) -> Sequence[int] | None:  # noqa: ARG002 - one for each
        counts: Sequence[int] = answer
        return counts


class PublishLogged(PublishScript):
    """One that writes the log of this namespace too. It takes the roster, then the tasks in groups, of those of one
    topic that follow one another: the topic, how many, then id, time of creation and body of each."""

    def __init__(self, name: str, prefix: str, root: str, roster: Roster) -> None:
        super().__init__(name, (prefix, root))
        self._roster = roster

    @property
    def terms(self) -> str:
        return self._roster.revision

    def _words(self, tasks: Sequence[Task], bodies: Sequence[bytes]) -> list[Any]:
        words: list[Any] = []
        topics: set[str] = set()
        topic, size_at = "", 0
        for task, body in zip(tasks, bodies, strict=True):
            if task.topic != topic:
                topic, size_at = task.topic, len(words) + 1
                topics.add(topic)
                words += (topic, 0)
            words[size_at] += 1
            words += (task.task_id, micros(task.created_at), body)
        return [*self._roster.words(topics), *words]

    def receivers(self, tasks: Sequence[Task], answer: Any) -> Sequence[int] | None:
        told = self._roster.answer(answer)
        if told is None:
            return None
        counts: list[int] = []
        topic, count, of_groups = "", 0, iter(told)
        for task in tasks:
            if task.topic != topic:
                topic, count = task.topic, next(of_groups)
            counts.append(count)
        return counts


class _Part(Value, gc=True):
    """Tasks that one script publishes, as sent."""

    tasks: Sequence[Task]
    bodies: Sequence[bytes]
    terms: str
    answer: asyncio.Future[Any]


class Publishing:
    """Many tasks go in parts that are small enough for one script, one after the other; each is sent before the one
    before is answered. Concurrent callers that shall share a script are joined above the ports."""

    def __init__(self, server: RedisConnection, codec: Codec, script: PublishScript) -> None:
        self._location = server.location
        self._codec = codec
        self._script = script
        self._pipeline = Pipeline(server)

    def publish(self, tasks: Sequence[Task]) -> Coroutine[Any, Any, list[Receipt]]:
        """One receipt for each task. What one script takes is sent before anybody awaits them, while there is a
        connection."""
        slices, pipe = _slices(tasks), self._pipeline.pipe
        if len(slices) == 1 and pipe is not None:
            return self._settled(self._sent_over(pipe, tasks, self._bodies(tasks), by_text=False))
        return self._one_after_another(slices)

    async def close(self) -> None:
        """Let what is under way be sent, and close the connection."""
        await self._pipeline.close()

    async def _one_after_another(self, slices: Sequence[Sequence[Task]]) -> list[Receipt]:
        receipts: list[Receipt] = []
        under_way: deque[_Part] = deque()
        try:
            for tasks in slices:
                # No part may be taken after one before it was refused. So parts under way together are told the same;
                # and by the text, since a server that has forgotten the digest might learn it between two of them.
                while under_way and (len(under_way) == _MOST_UNDER_WAY or under_way[0].terms != self._script.terms):
                    receipts += await self._settled(under_way.popleft())
                under_way.append(await self._sent(tasks, self._bodies(tasks), by_text=len(slices) > 1))
            while under_way:
                receipts += await self._settled(under_way.popleft())
        finally:
            for part in under_way:  # of a call that is cancelled
                part.answer.cancel()
        return receipts

    def _bodies(self, tasks: Sequence[Task]) -> list[bytes]:
        return [self._codec.encode_task(task) for task in tasks]

    async def _sent(self, tasks: Sequence[Task], bodies: Sequence[bytes], *, by_text: bool) -> _Part:
        try:
            pipe = self._pipeline.pipe or await self._pipeline.connected()
        except BackendError as error:
            refusal: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            refusal.set_exception(error)
            return _Part(tasks, bodies, self._script.terms, refusal)
        return self._sent_over(pipe, tasks, bodies, by_text=by_text)

    def _sent_over(self, pipe: Pipe, tasks: Sequence[Task], bodies: Sequence[bytes], *, by_text: bool) -> _Part:
        terms = self._script.terms
        return _Part(tasks, bodies, terms, pipe.send(self._script.command(tasks, bodies, by_text=by_text)))

    async def _settled(self, part: _Part) -> list[Receipt]:
        """The receipts of a part, which is sent anew for as long as it is refused."""
        for _ in range(MOST_ROUNDS):
            if (receipts := await self._receipts(part)) is not None:
                return receipts
            part = await self._sent(part.tasks, part.bodies, by_text=True)
        return _unconfirmed(part, Confirmation.FAILED, too_many_rounds(self._location))

    async def _receipts(self, part: _Part) -> list[Receipt] | None:
        """None for what the server has refused and may take if it is sent anew."""
        try:
            receivers = self._script.receivers(part.tasks, await part.answer)
        except exceptions.NoScriptError:
            return None
        except InDoubt as doubt:
            return _unconfirmed(part, Confirmation.UNKNOWN, translated(doubt.failure, self._location))
        except BackendError as error:
            return _unconfirmed(part, Confirmation.FAILED, error)
        except exceptions.RedisError as error:
            return _unconfirmed(part, Confirmation.FAILED, translated(error, self._location))
        if receivers is None:
            return None
        return [
            Receipt(task_id=task.task_id, confirmation=Confirmation.CONFIRMED, receivers=count)
            for task, count in zip(part.tasks, receivers, strict=True)
        ]


def _slices(tasks: Sequence[Task]) -> list[Sequence[Task]]:
    """In order, as few as are small enough each."""
    slices: list[Sequence[Task]] = []
    start = size_bytes = 0
    for at, task in enumerate(tasks):
        size = len(task.payload)
        if task.headers:  # all else that it says has a bound
            size += sum(len(name) + len(text) for name, text in task.headers.items())
        if at > start and (at - start >= _MOST_TASKS or size_bytes + size > _MOST_BYTES):
            slices.append(tasks[start:at])
            start, size_bytes = at, 0
        size_bytes += size
    if tasks:
        slices.append(tasks[start:])
    return slices


def _unconfirmed(part: _Part, confirmation: Confirmation, error: BackendError) -> list[Receipt]:
    reason = str(error)
    return [Receipt(task_id=task.task_id, confirmation=confirmation, reason=reason) for task in part.tasks]
