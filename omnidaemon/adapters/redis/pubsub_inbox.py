"""One worker's intake from the Redis Pub/Sub bus."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from omnidaemon.adapters.redis.cancelling import cancelled
from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script
from omnidaemon.adapters.redis.faults import BACKEND
from omnidaemon.adapters.redis.listening import Buffer, Listening
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendError, BackendUnavailable, DataLost
from omnidaemon.domain.names import Subscription
from omnidaemon.ports.bus import Delivery, Inbox
from omnidaemon.ports.codec import Codec

_EPOCH: Final = "pubsub_epoch"
_RESUME_SECONDS: Final = 1.0


class PubsubInbox(Inbox):
    """What comes faster than it is received waits here, up to a bound; what is beyond it is lost. Whatever may have
    lost tasks is raised by the next receive(), once and at most once a second, and the one after it goes on."""

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
        channels = {f"{root}:to:{s.topic}:{s.agent}".encode(): s for s in subscriptions}
        self._buffer = Buffer(channels)
        self._listening = Listening(server, self._buffer, self._look)
        self._task: asyncio.Task[None] | None = None
        self._epoch: bytes | None = None
        self._alarm = ""
        self._alarm_at = 0.0
        self._is_interrupted = False

    async def open(self) -> None:
        """Listen; raises when the server cannot be reached."""
        await self._look()
        await self._listening.connect()
        self._task = asyncio.create_task(self._listen())

    async def receive(self, credits: Mapping[Subscription, int], wait_seconds: float) -> Sequence[Delivery]:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + wait_seconds
        while True:
            self._raise_alarm(loop.time())
            self._buffer.bell.clear()
            deliveries = [
                self._delivery(subscription, body)
                for subscription, most in credits.items()
                for body in self._buffer.take(subscription, most)
            ]
            left = ends_at - loop.time()
            if deliveries or left <= 0 or self._is_interrupted:
                self._is_interrupted = False
                return deliveries
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._buffer.bell.wait()

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._buffer.bell.set()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: what was delivered is nowhere else."""

    async def close(self) -> None:
        """What was not received is lost for this worker; any other has got it too."""
        task, self._task = self._task, None
        await cancelled(task)
        with contextlib.suppress(BackendUnavailable):
            await self._listening.disconnect()

    def _delivery(self, subscription: Subscription, body: bytes) -> Delivery:
        # Only a task that cannot be read is known by this: the same for every worker that got it.
        task_id = f"redis-{hashlib.sha256(body).hexdigest()[:32]}"
        task = self._codec.decode_task(body, task_id=task_id, topic=subscription.topic)
        return Delivery(subscription=subscription, task=task, token=None)

    def _raise_alarm(self, now: float) -> None:
        if self._buffer.dropped and not self._alarm:
            self._alarm = f"{self._buffer.dropped} deliveries were dropped: this worker takes in less than is published"
            self._buffer.dropped = 0
        if self._alarm and now >= self._alarm_at:
            reason, self._alarm, self._alarm_at = self._alarm, "", now + _RESUME_SECONDS
            raise DataLost(BACKEND, self._server.location, f"LOST TASKS: {reason}")

    # --- listening ----------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Listen until cancelled, anew whenever the connection is lost."""
        while True:
            try:
                await self._listening.listen()
            except BackendError as error:
                self._sound(f"{error.reason}; what is published until this worker listens again, it does not get")
            await asyncio.sleep(_RESUME_SECONDS)
            with contextlib.suppress(BackendError):  # the next round says the same
                await self._listening.connect()

    def _sound(self, alarm: str) -> None:
        self._alarm = alarm
        self._buffer.bell.set()

    async def _look(self) -> None:
        """Whether the server still knows the agents."""
        epoch = await self._server.script(packaged_script(_EPOCH), [self._root], [secrets.token_hex(8)])
        if self._epoch not in (None, epoch):
            await self._declare(dict.fromkeys(self._subscriptions, Start.NOW))
            self._sound("the server had lost its data, and published tasks to no agent until now")
        self._epoch = epoch
