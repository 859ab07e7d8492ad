"""The Redis storage: every port over one namespace of a server."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs

from omnidaemon.adapters.redis.erasing import erase
from omnidaemon.adapters.redis.examination import examined
from omnidaemon.adapters.redis.journal import RedisJournal
from omnidaemon.adapters.redis.outbox import RedisOutbox
from omnidaemon.adapters.redis.registry import RedisRegistry
from omnidaemon.adapters.redis.roster import Roster
from omnidaemon.adapters.redis.run_commands import RedisRunCommands
from omnidaemon.adapters.redis.run_queries import RedisRunQueries
from omnidaemon.adapters.redis.run_store import RedisRunStore
from omnidaemon.adapters.redis.schedules import RedisSchedules
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.task_log import RedisTaskLog
from omnidaemon.ports.backend import Erasable, SelfExamination, Weakness
from omnidaemon.ports.storage import Storage, StorageCapabilities


class RedisStorage(Storage, SelfExamination, Erasable):
    """As durable as the server: with `appendonly yes`, up to its `appendfsync`. Of one event loop."""

    capabilities = StorageCapabilities(name="redis")

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        server = space.connection
        scope = server.scope_of(space.keys.namespace)
        self.capabilities = attrs.evolve(self.capabilities, transaction_scope=scope, location=server.location)
        roster = Roster(server.location)
        self.runs = RedisRunStore(space)
        self.log = RedisTaskLog(space, roster)
        self.commands = RedisRunCommands(space)
        self.queries = RedisRunQueries(space)
        self.schedules = RedisSchedules(space, roster)
        self.outbox = RedisOutbox(space)
        self.registry = RedisRegistry(space)
        self.journal = RedisJournal(space)

    async def weaknesses(self) -> Sequence[Weakness]:
        return await examined(self._space.connection)

    async def erase(self) -> None:
        await erase(self._space.connection, self._space.keys.namespace)
        self._space.version.forget()

    async def __aenter__(self) -> Self:
        await self._space.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._space.close()
