"""The import path of the event buses that a program may name: `OmniDaemonSDK(event_bus=SqliteEventBus(path=…))`."""

from omnidaemon.adapters.memory import MemoryEventBus
from omnidaemon.adapters.redis.pubsub_bus import RedisPubsubEventBus
from omnidaemon.adapters.redis.streams_bus import RedisStreamsEventBus
from omnidaemon.adapters.sqlite import SqliteEventBus

__all__ = ["MemoryEventBus", "RedisPubsubEventBus", "RedisStreamsEventBus", "SqliteEventBus"]
