"""Worker processes over a pair of backends, and the log that their agents write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.servers.backends import Backends

AGENTS = Path(__file__).with_name("agents.py")
OMNI = (sys.executable, "-m", "omnidaemon.entrypoints.cli")
_PATIENCE_SECONDS = 90.0
_OF_THIS_MACHINE = ("OMNIDAEMON_", "EVENT_BUS", "RESULT_STORE", "REDIS_")


class Workshop:
    """A folder, the worker processes in it, and the lines that their agents have logged."""

    def __init__(self, folder: Path, backends: Backends) -> None:
        self.folder = folder
        self.backends = backends
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_OF_THIS_MACHINE)},
            **backends.variables,
            "AGENT_LOG": str(folder / "agents.log"),
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    # --- processes ----------------------------------------------------------------------------------------------------

    def start_worker(
        self, *, may_die: bool = False, says: str = "ready", **environment: str
    ) -> subprocess.Popen[bytes]:
        """A worker in another folder, once it has said this."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        output = self.folder / f"worker-{len(self.processes)}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(AGENTS)], env={**self.environment, **environment}, stderr=log, cwd=elsewhere
            )
        self.processes.append(process)
        self.until(lambda: says in output.read_text() or process.poll() is not None)
        assert may_die or process.poll() is None, output.read_text()
        return process

    def omni(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One command, as a person would give it."""
        return subprocess.run(
            [*OMNI, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )

    def refuses(self, code: int, words: str, *arguments: str, **environment: str) -> None:
        """The command must fail with this exit code and these words, without a traceback."""
        done = self.omni(*arguments, **environment)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr, done.stderr

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)

    # --- what they have done ------------------------------------------------------------------------------------------

    def words_of(self, process: subprocess.Popen[bytes]) -> str:
        """What a worker has written to stderr."""
        return (self.folder / f"worker-{self.processes.index(process)}.log").read_text()

    @property
    def words(self) -> str:
        """What all of them have."""
        return "".join(map(self.words_of, self.processes))

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
