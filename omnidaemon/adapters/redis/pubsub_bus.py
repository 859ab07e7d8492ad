"""The Redis Pub/Sub bus: a channel per subscription, and nothing kept anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import attrs

from omnidaemon.adapters.redis.connection import RedisConnection, url_of
from omnidaemon.adapters.redis.erasing import erase
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.adapters.redis.publishing import Publish, Publishing
from omnidaemon.adapters.redis.pubsub_inbox import PubsubInbox
from omnidaemon.domain.agent import Start
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.domain.values import replace
from omnidaemon.ports.backend import BackendContext, Erasable
from omnidaemon.ports.bus import BusCapabilities, Confirmation, EventBus, Receipt
from omnidaemon.ports.codec import Codec

_PUBLISH: Final = "pubsub_publish"


class RedisPubsubBus(EventBus, Erasable):
    """At most once: a task reaches the workers that listen just then, all of them, and begin() selects. What an agent
    does not hear it never gets. Receivers are the agents of whom somebody listened."""

    capabilities = BusCapabilities(
        name="redis_pubsub", is_durable=False, is_lossy=True, competes=False, keeps_backlog=False
    )

    def __init__(self, server: RedisConnection, namespace: str, codec: Codec) -> None:
        self._server = server
        self._namespace = namespace
        self.capabilities = attrs.evolve(self.capabilities, location=server.location)
        self._root = Keys(namespace).of("pubsub")
        self._codec = codec
        self._publishing = Publishing(server, codec, Publish(_PUBLISH, self._root))

    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        agents: defaultdict[str, list[str]] = defaultdict(list)
        for subscription in subscriptions:
            agents[subscription.topic].append(subscription.agent)
        for topic, names in agents.items():
            await self._server.command("SADD", f"{self._root}:agents:{topic}", *names)

    async def retire(self, subscription: Subscription) -> None:
        await self._server.command("SREM", f"{self._root}:agents:{subscription.topic}", subscription.agent)

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        receipts = await self._publishing.publish(tasks)
        return [_unheard(receipt) if receipt.receivers == 0 else receipt for receipt in receipts]

    async def purge(self, topic: str) -> int:  # noqa: ARG002 - nothing waits here
        return 0

    async def erase(self) -> None:
        await erase(self._server, self._namespace)

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> PubsubInbox:
        """Listens once this has returned."""
        inbox = PubsubInbox(self._server, self._root, self._codec, subscriptions, self.declare)
        await inbox.open()
        return inbox

    async def __aenter__(self) -> Self:
        await self._server.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._publishing.close)
            # The last one goes first: what is published from here on connects no more.
            stack.push_async_callback(self._server.close)


def _unheard(receipt: Receipt) -> Receipt:
    reason = "nobody listens just now, and this bus keeps nothing: start a worker of the topic first"
    return replace(receipt, confirmation=Confirmation.FAILED, reason=reason)


@attrs.frozen
class RedisPubsubEventBus:
    """A factory of buses on a server of one's own choice; without an address, on that of `REDIS_URL`."""

    redis_url: str | None = attrs.field(default=None, repr=False)  # it may hold a password

    def __call__(self, context: BackendContext) -> RedisPubsubBus:
        server = RedisConnection(url_of(context, self.redis_url))
        return RedisPubsubBus(server, context.namespace, context.codec)


redis_pubsub_bus = RedisPubsubEventBus()
"""The bus on the server of `REDIS_URL`."""
