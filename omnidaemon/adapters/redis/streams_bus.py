"""The Redis Streams bus: a stream per subscription, and one per topic that has no agent yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import CoroutineType, TracebackType
from typing import Any, Final, Self, cast

import attrs

from omnidaemon.adapters.redis.connection import RedisConnection, packaged_script, url_of
from omnidaemon.adapters.redis.erasing import erase
from omnidaemon.adapters.redis.examination import examined
from omnidaemon.adapters.redis.keys import Keys
from omnidaemon.adapters.redis.publishing import Publish, Publishing, PublishLogged
from omnidaemon.adapters.redis.roster import Roster
from omnidaemon.adapters.redis.schema_version import SchemaVersion
from omnidaemon.adapters.redis.streams_inbox import HOLD_SECONDS, StreamsInbox
from omnidaemon.domain.agent import Start
from omnidaemon.domain.errors import BackendError
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.task import Task
from omnidaemon.ports.backend import BackendContext, Erasable, SelfExamination, Weakness
from omnidaemon.ports.bus import BusCapabilities, BusInspector, Confirmation, Depth, EventBus, LoggingBus, Receipt
from omnidaemon.ports.codec import Codec

_TOPICS_AT_ONCE: Final = 100

_PUBLISH: Final = "streams_publish"
_PUBLISH_LOGGED: Final = "streams_publish_logged"
_DECLARE: Final = "streams_declare"
_MOVE: Final = "streams_move"
_RETIRE: Final = "streams_retire"
_EDGES: Final = "streams_edges"
_PURGE: Final = "streams_purge"
_DEPTHS: Final = "streams_depths"


class RedisStreamsBus(EventBus, LoggingBus, BusInspector, SelfExamination, Erasable):
    """As durable as the server is set to be: what it had not yet written to its disk dies with it.

    While the backlog of a topic is being moved to several agents, what is published overtakes it.
    """

    capabilities = BusCapabilities(name="redis_stream")

    def __init__(self, server: RedisConnection, namespace: str, codec: Codec) -> None:
        self._server = server
        self._namespace = namespace
        self._root = Keys(namespace).of("bus")
        self._codec = codec
        self._version = SchemaVersion(server, Keys(namespace))
        self._publishing = Publishing(server, codec, Publish(_PUBLISH, self._root))
        logged = PublishLogged(_PUBLISH_LOGGED, Keys(namespace).prefix, self._root, Roster(server.location))
        self._publishing_logged = Publishing(server, codec, logged)
        scope = server.scope_of(namespace)
        self.capabilities = attrs.evolve(self.capabilities, transaction_scope=scope, location=server.location)

    async def declare(self, subscriptions: Mapping[Subscription, Start]) -> None:
        """What waited is moved in steps; should this process die meanwhile, the repeated call goes on with it."""
        agents: defaultdict[str, list[str]] = defaultdict(list)
        for subscription, start in subscriptions.items():
            agents[subscription.topic] += (subscription.agent, start.value)
        for topic, named in agents.items():
            await self._call(_DECLARE, topic, *named)
            while not await self._call(_MOVE, topic):
                pass

    async def retire(self, subscription: Subscription) -> None:
        await self._call(_RETIRE, subscription.topic, subscription.agent)

    async def publish(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        return await self._publishing.publish(tasks)

    def publish_logged(self, tasks: Sequence[Task]) -> CoroutineType[Any, Any, Sequence[Receipt]]:
        """It begins before it is awaited, while there is a connection and the log is known to be of this version."""
        publish = self._publishing_logged.publish if self._version.is_known else self._first_logged
        # mypy takes a call of a coroutine function for less than it is.
        return cast("CoroutineType[Any, Any, Sequence[Receipt]]", publish(tasks))

    async def _first_logged(self, tasks: Sequence[Task]) -> Sequence[Receipt]:
        try:
            await self._version.claim()
        except BackendError as error:
            reason = str(error)
            return [Receipt(task_id=each.task_id, confirmation=Confirmation.FAILED, reason=reason) for each in tasks]
        return await self._publishing_logged.publish(tasks)

    async def purge(self, topic: str) -> int:
        """What an inbox holds just now is on its way to the store, and stays."""
        dropped, edges = await self._call(_EDGES, topic)
        total = int(dropped)
        for agent, latest in edges:
            is_all = False
            while not is_all:
                count, is_all = await self._call(_PURGE, topic, agent, latest, int(HOLD_SECONDS * 1000))
                total += int(count)
        return total

    async def subscribe(self, subscriptions: Sequence[Subscription]) -> StreamsInbox:
        return StreamsInbox(self._server, self._root, self._codec, subscriptions, self.declare)

    async def erase(self) -> None:
        await erase(self._server, self._namespace)
        self._version.forget()

    async def depths(self) -> Sequence[Depth]:
        topics = sorted(await self._server.command("SMEMBERS", f"{self._root}:topics"))
        rows: list[Depth] = []
        for at in range(0, len(topics), _TOPICS_AT_ONCE):
            for topic, agent, waiting, held in await self._call(_DEPTHS, *topics[at : at + _TOPICS_AT_ONCE]):
                rows.append(
                    Depth(topic=topic.decode(), agent=agent.decode() or None, waiting=int(waiting), held=int(held))
                )
        return sorted(rows, key=lambda row: (row.topic, row.agent or ""))

    async def weaknesses(self) -> Sequence[Weakness]:
        return await examined(self._server)

    async def _call(self, script: str, *args: Any) -> Any:
        return await self._server.script(packaged_script(script), [self._root], args)

    async def __aenter__(self) -> Self:
        await self._server.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._publishing.close)
            stack.push_async_callback(self._publishing_logged.close)
            # The last one goes first: what is published from here on connects no more.
            stack.push_async_callback(self._server.close)


@attrs.frozen
class RedisStreamsEventBus:
    """A factory of buses on a server of one's own choice; without an address, on that of `REDIS_URL`."""

    redis_url: str | None = attrs.field(default=None, repr=False)  # it may hold a password

    def __call__(self, context: BackendContext) -> RedisStreamsBus:
        server = RedisConnection(url_of(context, self.redis_url))
        return RedisStreamsBus(server, context.namespace, context.codec)


redis_stream_bus = RedisStreamsEventBus()
"""The bus on the server of `REDIS_URL`."""
