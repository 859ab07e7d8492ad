"""Redis: a server for the bus and the store, shared by any number of machines."""

from __future__ import annotations

import attrs

from omnidaemon.adapters.redis.connection import url_of
from omnidaemon.adapters.redis.space import RedisSpace
from omnidaemon.adapters.redis.storage import RedisStorage
from omnidaemon.ports.backend import BackendContext

__all__ = ["RedisResultStore", "RedisStorage", "redis_storage"]


@attrs.frozen
class RedisResultStore:
    """A factory of storages on a server of one's own choice; without an address, on that of `REDIS_URL`."""

    redis_url: str | None = attrs.field(default=None, repr=False)  # it may hold a password

    def __call__(self, context: BackendContext) -> RedisStorage:
        return RedisStorage(RedisSpace(url_of(context, self.redis_url), context))


redis_storage = RedisResultStore()
"""The storage on the server of `REDIS_URL`."""
