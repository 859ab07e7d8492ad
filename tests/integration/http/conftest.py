"""Programs that serve the API, in a folder and a process of their own, on a port that they find themselves."""

from __future__ import annotations

import os

import httpx
import pytest

from tests.integration.programs import OMNI, PATIENCE_SECONDS, Program

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


class Server(Program):
    """A program that serves the API."""

    @property
    def url(self):
        """Where its API answers, once it says so."""
        return self.until_said(r"API on (http://\S+)")[1]

    def api(self, **options):
        """A client of its API."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False, **options)


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
        program = Server(command, self.folder, clean | env)
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
