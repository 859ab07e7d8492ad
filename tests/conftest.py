"""Servers that tests of several folders use."""

from __future__ import annotations

from tests.servers.redis_servers import bundled_redis_url, private_redis, redis_url

__all__ = ["bundled_redis_url", "private_redis", "redis_url"]
