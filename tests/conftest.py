"""Servers that tests of several folders use."""

from __future__ import annotations

import signal

from tests.servers.redis_servers import bundled_redis_url, private_redis, redis_url

__all__ = ["bundled_redis_url", "private_redis", "redis_url"]

# A shell starts what runs in its background with Ctrl-C ignored, and every process of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
