"""One worker's intake from the Redis Streams bus."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

from omnidaemon.adapters.redis.acks import Acks, Token, acks_of
from omnidaemon.adapters.redis.blocking_reader import BlockingReader, Entries, QueuesGone
from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendUnavailable, DataLost
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import AckableInbox, Delivery, Inbox, within
from omnidaemon.ports.codec import Codec

HOLD_SECONDS: Final = 5.0
"""What was received and not acked for so long, others may take over."""

_TEND_SECONDS: Final = 1.0
_AT_ONCE: Final = 1000

_TAKE: Final = "streams_take"
_TEND: Final = "streams_tend"
_CLAIM: Final = "streams_claim"
_ACK: Final = "streams_ack"
_CLOSE: Final = "streams_close"


class StreamsInbox(Inbox, AckableInbox):
    """Reads all of its queues at once. Once a second it takes over what others have left, and looks whether the queues
    are still there; if the server has lost them, the next receive() raises, and the one after it makes them anew."""

    def __init__(
        self,
        server: RedisConnection,
        root: str,
        codec: Codec,
        subscriptions: Sequence[Subscription],
        declare: Callable[[Mapping[Subscription, Start]], Awaitable[None]],
    ) -> None:
        self._server = server
        self._root = root
        self._codec = codec
        self._subscriptions = tuple(subscriptions)
        self._declare = declare
        self._name = secrets.token_hex(8)
        self._reader = BlockingReader(server, "workers", self._name)
        self._queues = {s: f"{root}:queue:{s.topic}:{s.agent}" for s in subscriptions}
        self._subscription_of = {queue.encode(): s for s, queue in self._queues.items()}
        self._held: dict[Token, bool] = {}  # False: acked, and nobody knows whether that got through
        self._spare: list[Delivery] = []
        self._reading: asyncio.Task[None] | None = None
        self._interruption = asyncio.Event()
        self._tend_at = 0.0
        self._epoch: bytes | None = None
        self._retired: frozenset[Subscription] = frozenset()
        self._lost: tuple[Subscription, ...] = ()
        self._restore_at = 0.0
        self._is_closed = False

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + wait_seconds
        while True:
            left = ends_at - loop.time()
            deliveries = await self._next(credits, left)
            if deliveries or left <= 0 or self._interruption.is_set():
                self._interruption.clear()
                return deliveries

    async def _next(self, credits: Mapping[Subscription, int], seconds: float) -> list[Delivery]:
        """What is spare, else what the server has. A call that is cancelled leaves what it took for the next one."""
        try:
            if self._reading is None:
                if deliveries := self._within(credits):
                    return deliveries
                if self._may_just_wait(credits, seconds):
                    await self._wait(credits, seconds)
                    return self._within(credits)
                self._reading = asyncio.create_task(self._read(credits, seconds))
                self._reading.add_done_callback(self._read_ended)
            await asyncio.shield(self._reading)
        except asyncio.CancelledError:
            self._reader.wake()
            raise
        return self._within(credits)

    def _may_just_wait(self, credits: Mapping[Subscription, int], seconds: float) -> bool:
        """Whether there is nothing to do but to wait for fresh ones, which needs no task: it outlives its caller."""
        is_calm = not (self._lost or self._retired or self._interruption.is_set())
        return is_calm and seconds > 0 and _is_even(credits) and asyncio.get_running_loop().time() < self._tend_at

    def _read_ended(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # also when nobody waits for it any more

    def _within(self, credits: Mapping[Subscription, int]) -> list[Delivery]:
        if not self._spare:
            return []
        chosen, self._spare = within(credits, self._spare)
        return chosen

    def interrupt(self) -> None:
        self._interruption.set()
        self._reader.wake()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        tokens = self._still_held(deliveries)
        for at in range(0, len(tokens), _AT_ONCE):
            some = tokens[at : at + _AT_ONCE]
            self._held |= dict.fromkeys(some, False)
            await self._call(_ACK, *(word for row in acks_of(self._root, some).rows for word in row))
            self._let_go_of(some)

    def acks(self, deliveries: Sequence[Delivery]) -> Acks:
        return acks_of(self._root, self._still_held(deliveries))

    def acked(self, deliveries: Sequence[Delivery]) -> None:
        self._let_go_of(self._still_held(deliveries))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self.interrupt()
        names = [word for s in self._subscriptions for word in (s.topic, s.agent)]
        # What cannot be given back just now is taken over after its hold, which is only later.
        with contextlib.suppress(BackendUnavailable):
            if self._reading is not None:
                await self._reading
            await self._keep_all(self._reader.rest())
            held = list(self._held)
            for at in range(0, max(1, len(held)), _AT_ONCE):
                words = [word for token in held[at : at + _AT_ONCE] for word in token]
                await self._call(_CLOSE, self._name, len(self._subscriptions), *names, *words)
        self._held.clear()
        await self._reader.close()

    # --- from the server ----------------------------------------------------------------------------------------------

    async def _read(self, credits: Mapping[Subscription, int], seconds: float) -> None:
        """Put what comes first into the spare."""
        await self._keep_all(self._reader.rest())
        now = asyncio.get_running_loop().time()
        if self._lost:
            if now < self._restore_at:
                await self._pause(min(seconds, self._restore_at - now))
                return
            await self._restore()
        if now >= self._tend_at:
            await self._tend(credits)
        wanted = {s: most for s, most in credits.items() if most > 0 and s not in self._retired}
        if not wanted:
            await self._pause(min(seconds, _TEND_SECONDS))
        elif not self._has_some(wanted):
            await self._read_fresh(wanted, seconds)

    async def _read_fresh(self, wanted: Mapping[Subscription, int], seconds: float) -> None:
        may_wait = seconds > 0 and not self._interruption.is_set()
        # A blocking read has one number for all of its queues: where the credits differ, it is only to be woken by.
        # Else it is all, and costs the server a third: what a script reads is made into values of Lua's and back.
        if not may_wait or not _is_even(wanted):
            await self._take(wanted)
            if self._has_some(wanted) or not may_wait or self._interruption.is_set():
                return
        await self._wait(wanted, seconds)

    async def _wait(self, wanted: Mapping[Subscription, int], seconds: float) -> None:
        queues = [self._queues[s] for s in wanted]
        await self._keep_all(self._reader.read(queues, min(wanted.values()), seconds))

    def _has_some(self, wanted: Mapping[Subscription, int]) -> bool:
        return any(delivery.subscription in wanted for delivery in self._spare)

    async def _take(self, wanted: Mapping[Subscription, int]) -> None:
        words = [word for s, most in wanted.items() for word in (s.topic, s.agent, most)]
        for subscription, entries in zip(wanted, await self._call(_TAKE, self._name, *words), strict=True):
            if entries == 0:
                self._tend_at = 0.0
            else:
                self._keep(subscription, entries)

    async def _keep_all(self, reading: Awaitable[Entries]) -> None:
        try:
            found = await reading
        except QueuesGone:
            self._tend_at = 0.0
        else:
            for queue, entries in found.items():
                self._keep(self._subscription_of[queue], entries)

    def _keep(self, subscription: Subscription, entries: Sequence[tuple[bytes, list[bytes]]]) -> None:
        for entry_id, words in entries:
            name, body = _content(entry_id, words)
            task = self._codec.decode_task(body, task_id=str(name, "utf-8", "replace"), topic=subscription.topic)
            token = (subscription.topic, subscription.agent, entry_id)
            self._held[token] = True
            self._spare.append(Delivery(subscription=subscription, task=task, token=token))

    async def _tend(self, credits: Mapping[Subscription, int]) -> None:
        """Take over what was left by others, and by this inbox's own lost replies; see what is missing."""
        pause = _TEND_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._tend_at = asyncio.get_running_loop().time() + pause
        idle = int(HOLD_SECONDS * 1000)
        mine = Counter((topic, agent) for topic, agent, _ in self._held)
        words: list[Any] = []
        for s in self._subscriptions:
            words += (s.topic, s.agent, max(1, credits.get(s, 0)) + mine[s.topic, s.agent])
        epoch, rows = await self._call(_TEND, secrets.token_hex(8), idle, *words)
        missing = {s: row for s, row in zip(self._subscriptions, rows, strict=True) if isinstance(row, int)}
        is_another = self._epoch is not None and epoch != self._epoch
        self._epoch = epoch
        self._retired = (
            frozenset() if is_another else frozenset(s for s, is_declared in missing.items() if not is_declared)
        )
        self._lost = tuple(s for s in missing if s not in self._retired)
        if is_another or self._lost:
            raise DataLost(
                BACKEND,
                self._server.location,
                "DATA LOSS: the bus's queues are gone, and with them the tasks that waited and were not begun",
                "they are made anew; was the server flushed, or started without its data?",
            )
        await self._claim(
            [
                (s.topic, s.agent, entry_id)
                for s, row in zip(self._subscriptions, rows, strict=True)
                if not isinstance(row, int)
                for entry_id in self._left(s, row)[: credits.get(s, 0)]
            ]
        )

    def _left(self, subscription: Subscription, rows: Sequence[Sequence[Any]]) -> list[bytes]:
        """The entries that nobody works on: those of others, and of this inbox what it does not know to hold."""
        name = self._name.encode()
        return [
            entry_id
            for entry_id, consumer, *_ in rows
            if consumer != name or not self._held.get((subscription.topic, subscription.agent, entry_id), False)
        ]

    async def _claim(self, left: Sequence[Token]) -> None:
        if not left:
            return
        words = [word for token in left for word in token]
        claimed = await self._call(_CLAIM, self._name, int(HOLD_SECONDS * 1000), *words)
        for (topic, agent, _), entries in zip(left, claimed, strict=True):
            self._keep(Subscription(topic, agent), [entry for entry in entries if entry])

    async def _restore(self) -> None:
        self._restore_at = asyncio.get_running_loop().time() + _TEND_SECONDS
        # As the first ones there: what was published since then waits on the topics.
        await self._declare(dict.fromkeys(self._lost, Start.BACKLOG))
        self._lost = ()
        # Whatever else was lost until now is told already. What is lost from here on, the next look sees.
        self._epoch = None
        self._tend_at = 0.0

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._interruption.wait()

    async def _call(self, script: str, *args: Any) -> Any:
        return await self._server.script(packaged_script(script), [self._root], args)

    def _still_held(self, deliveries: Sequence[Delivery]) -> list[Token]:
        return [token for each in deliveries if (token := cast("Token", each.token)) in self._held]

    def _let_go_of(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            self._held.pop(token, None)


def _content(entry_id: bytes, words: Sequence[bytes]) -> tuple[bytes, bytes]:
    """A task's id, and its body."""
    match words:
        case [b"id", name, b"task", body]:  # as we write it
            return name, body
        case _:
            fields = dict(zip(words[::2], words[1::2], strict=True))
            # Not of ours, if it has no id: it is known by the server's then.
            return fields.get(b"id", b"redis-" + entry_id), fields.get(b"task", b"")


def _is_even(credits: Mapping[Subscription, int]) -> bool:
    """Whether as many are wanted for each, and for some at all."""
    return len(set(credits.values())) == 1 and min(credits.values()) > 0
