"""Programs in processes of their own, and all that they say: for tests of what a person starts and stops."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
OMNI = (sys.executable, "-m", "omnidaemon.entrypoints.cli")


def until(look: Callable[[], T], within_seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` gives once that is true; an AssertionError with the last answer when it never is in time."""
    deadline = time.monotonic() + within_seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not so within {within_seconds:g} s: {seen!r}"
        time.sleep(0.02)
    return seen


class Program:
    """A process under way in a folder. What it writes to both outputs goes to a file there."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = folder / f"log-{len(list(folder.glob('log-*.txt')))}.txt"
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        self.pid = self.process.pid

    @property
    def said(self) -> str:
        """All that it has written so far."""
        return self.log.read_text()

    def until_said(self, pattern: str) -> re.Match[str]:
        """Wait until it has said what matches this pattern; fails at once when it has ended without."""

        def look() -> re.Match[str] | None:
            has_ended = self.process.poll() is not None
            found = re.search(pattern, self.said)
            assert found or not has_ended, "it has ended"
            return found

        found = self.until(look)
        assert found is not None
        return found

    def until(self, look: Callable[[], T]) -> T:
        """As `until`, with all that it has said when that fails."""
        try:
            return until(look)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said}") from None

    def send(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code, once this signal has ended it."""
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        """kill -9, as the machine does when it runs out of memory. Idempotent."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, by force if need be: what it has started drains when its line breaks. Idempotent."""
        with contextlib.suppress(ProcessLookupError):
            self.send()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
