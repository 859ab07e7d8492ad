"""Where results are kept, to be named in a program."""

from __future__ import annotations

from omnidaemon.adapters.memory import MemoryResultStore
from omnidaemon.adapters.redis import RedisResultStore
from omnidaemon.adapters.sqlite import SqliteResultStore

__all__ = ["MemoryResultStore", "RedisResultStore", "SqliteResultStore"]
