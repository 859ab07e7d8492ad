"""Worker processes over one SQLite file, and the log that their agents write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.settings import load_settings

_AGENTS = Path(__file__).parent / "agents.py"
_PATIENCE_SECONDS = 90.0


class Workshop:
    """A data folder, the worker processes on it, and the lines that their agents have logged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "EVENT_BUS_TYPE": "sqlite",
            "RESULT_STORE_TYPE": "sqlite",
            "OMNIDAEMON_DATA_DIR": str(folder / "data"),
            "AGENT_LOG": str(folder / "agents.log"),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start_worker(self, *, may_die: bool = False, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it is ready."""
        output = self.folder / f"worker-{len(self.processes)}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(_AGENTS)], env={**self.environment, **environment}, stderr=log, cwd=self.folder
            )
        self.processes.append(process)
        self.until(lambda: "ready" in output.read_text() or process.poll() is not None)
        assert may_die or process.poll() is None, output.read_text()
        return process

    def words_of(self, process: subprocess.Popen[bytes]) -> str:
        """What a worker has written to stderr."""
        return (self.folder / f"worker-{self.processes.index(process)}.log").read_text()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def lines(self, word: str) -> list[list[str]]:
        """The log's lines that begin with this word, split; each was written by one handler in one piece."""
        log = Path(self.environment["AGENT_LOG"])
        rows = (line.split() for line in log.read_text().splitlines()) if log.exists() else ()
        return [row for row in rows if row and row[0] == word]

    def times(self, word: str) -> Counter[str]:
        """How often each task logged this word."""
        return Counter(row[1] for row in self.lines(word))

    def until(self, holds: Callable[[], object], seconds: float = _PATIENCE_SECONDS) -> None:
        """Look again until it holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(self.words_of(process)[-3000:] for process in self.processes))
            time.sleep(0.02)  # between two looks

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """Workers over a SQLite file of their own."""
    shop = Workshop(tmp_path)
    yield shop
    shop.close()


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[OmniDaemonSDK]:
    """A client in the test's own process, on the workers' file."""
    sdk = OmniDaemonSDK(settings=load_settings({"data_dir": workshop.folder / "data", "event_bus_type": "sqlite"}))
    yield sdk
    await sdk.close()
