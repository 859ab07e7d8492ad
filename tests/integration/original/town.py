"""A place where the original README's programs run: its environment, its processes, its command and its API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx

from omnidaemon.testing.chaos.servers import free_port

T = TypeVar("T")

PROGRAMS = Path(__file__).parents[3] / "examples" / "original"
PATIENCE_SECONDS = 60.0
OURS = ("OMNIDAEMON_", "EVENT_BUS_", "RESULT_STORE_", "REDIS_URL", "LLM_")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def until(look: Callable[[], T], said: Callable[[], str] = str) -> T:
    """What `look` gives once that is true; else an AssertionError with what was said."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{seen!r}: {said()}"
        time.sleep(0.05)
    return seen


class Process:
    """A program under way, and all that it has said."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / f"{len(list(folder.glob('*.log')))}.log"
        with self._log.open("w") as stream:
            self._process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def until_said(self, words: str) -> str:
        return until(lambda: self.said if words in self.said else self._lives(), lambda: self.said)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Its exit code; what does not end by itself is killed."""
        self._process.send_signal(how)
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        return self._process.wait(PATIENCE_SECONDS)

    def _lives(self) -> str:
        assert self._process.poll() is None, self.said
        return ""


class Town:
    """`settings` are all that its programs know of the backend."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = others | settings | {"OMNIDAEMON_API_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self._processes: list[Process] = []

    def python(self, program: str, **environment: str) -> Process:
        """`python PROGRAM`, as the document has it."""
        return self._start([sys.executable, str(PROGRAMS / program)], environment)

    def start_omni(self, *arguments: str, **environment: str) -> Process:
        """A command that goes on until it is stopped."""
        return self._start([sys.executable, "-m", "omnidaemon.entrypoints.cli", *arguments], environment)

    def omni(self, *arguments: str, code: int = 0, environment: Mapping[str, str] = _NOTHING) -> str:
        """What `omni` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "omnidaemon.entrypoints.cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments: str, environment: Mapping[str, str] = _NOTHING) -> Any:
        """What `omni … --json` prints, read."""
        return json.loads(self.omni(*arguments, "--json", environment=environment))

    def http(self, method: str, path: str, port: int | None = None, **options: Any) -> httpx.Response:
        """A request to the API of this place."""
        return httpx.request(method, f"http://localhost:{port or self.port}{path}", timeout=30.0, **options)

    def serves(self, port: int | None = None) -> bool:
        """Whether the API answers."""
        try:
            return bool(self.http("GET", "/livez", port).status_code == 200)
        except httpx.TransportError:
            return False

    def close(self) -> None:
        for process in self._processes:
            process.stop(signal.SIGKILL)

    def _start(self, command: list[str], environment: dict[str, str]) -> Process:
        self._processes.append(Process(command, self.folder, self.environment | environment))
        return self._processes[-1]
