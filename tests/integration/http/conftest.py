"""Programs that serve the API, in a folder and a process of their own, on a port that they find themselves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

PATIENCE_SECONDS = 60.0
OMNI = [sys.executable, "-m", "omnidaemon.entrypoints.cli"]

AGENTS = """
import asyncio, time
from omnidaemon import OmniDaemonSDK

sdk = OmniDaemonSDK()

@sdk.agent("greet.user")
async def greeter(payload):
    return {"reply": f"Hello, {payload}!"}

@sdk.agent("slow")
async def slow(payload):
    await asyncio.sleep(payload)

@sdk.agent("blocks")
async def blocking(payload):
    time.sleep(payload)

if __name__ == "__main__":
    sdk.run()
"""


def until(look, within=PATIENCE_SECONDS):
    """What `look` gives once that is true."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not so within {within} s: {seen!r}"
        time.sleep(0.02)
    return seen


class Program:
    """A process, and all that it has said."""

    def __init__(self, command, folder, env):
        self.log = folder / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )

    @property
    def said(self):
        return self.log.read_text()

    def until_said(self, pattern):
        """What it has said that matches."""

        def look():
            found = re.search(pattern, self.said)
            assert found or self.process.poll() is None, self.said
            return found

        return until(look)

    @property
    def url(self):
        """Where its API answers, once it says so."""
        return self.until_said(r"API on (http://\S+)")[1]

    def api(self, **options):
        """A client of its API."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False, **options)

    def send(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(PATIENCE_SECONDS)

    def close(self):
        """End it, by force if need be."""
        with contextlib.suppress(ProcessLookupError):
            self.send()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Workshop:
    """A project folder with agents in it, and a clean environment."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "omnidaemon.toml").touch()
        (folder / "agents.py").write_text(AGENTS)
        self._programs = []

    def start(self, *command, **env):
        """Start a command here."""
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        clean |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        program = Program(command, self.folder, clean | env)
        self._programs.append(program)
        return program

    def run(self, *options, **env):
        """`omni run`, on a free port and ready."""
        port = [] if {"--api-port", "--no-api"} & set(options) else ["--api-port", "0"]
        program = self.start(*OMNI, "run", "agents.py", *port, *options, **env)
        program.until_said("ready")
        return program

    def close(self):
        for program in self._programs:
            program.close()


@pytest.fixture
def workshop(tmp_path):
    """A folder with agents, whose programs are ended with the test."""
    opened = Workshop(tmp_path)
    yield opened
    opened.close()
