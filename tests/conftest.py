"""Servers that tests of several folders use."""

from __future__ import annotations

from tests.servers.redis_servers import private_redis, redis_url

__all__ = ["private_redis", "redis_url"]
