"""A place where the original README's programs run: its environment, its processes, its command and its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from omnidaemon.testing.chaos.servers import free_port
from tests.integration.programs import OMNI, PATIENCE_SECONDS, Program

PROGRAMS = Path(__file__).parents[3] / "examples" / "original"
OURS = ("OMNIDAEMON_", "EVENT_BUS_", "RESULT_STORE_", "REDIS_URL", "LLM_")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Town:
    """`settings` are all that its programs know of the backend."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.environment = others | settings | {"OMNIDAEMON_API_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self._processes: list[Program] = []

    def python(self, program: str, **environment: str) -> Program:
        """`python PROGRAM`, as the document has it."""
        return self._start([sys.executable, str(PROGRAMS / program)], environment)

    def start_omni(self, *arguments: str, **environment: str) -> Program:
        """A command that goes on until it is stopped."""
        return self._start([*OMNI, *arguments], environment)

    def omni(self, *arguments: str, code: int = 0, environment: Mapping[str, str] = _NOTHING) -> str:
        """What `omni` prints."""
        done = subprocess.run(
            [*OMNI, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def stop_agent(self, topic: str, name: str) -> None:
        """By `omni agent stop`, and wait until every worker has heard of it: they do within two seconds."""
        self.omni("agent", "stop", topic, name)
        time.sleep(3)

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
            process.close()

    def _start(self, command: list[str], environment: dict[str, str]) -> Program:
        self._processes.append(Program(command, self.folder, self.environment | environment))
        return self._processes[-1]
