"""A worker process as its supervisor sees it, and the line between the two."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

_READY, _DRAINED = b"r", b"d"
_COMMAND = "omnidaemon.entrypoints.cli"


class Child:
    """One `omni run` in a process of its own. In a process group of its own too, so that Ctrl-C reaches it through its
    supervisor alone: a signal that came twice would end the draining."""

    def __init__(self, target: str, options: Sequence[str] = (), *, is_changing: bool = False) -> None:
        """Start it, with these options. `is_changing`: its code is being written, so that no compiled form of it is
        kept: Python would take one of the same second and size for the newer code."""
        self._line, theirs = socket.socketpair()
        self._line.settimeout(0)
        # Without -P a module of the current folder could take the place of one that we import.
        flags = ["-P", "-B"] if is_changing else ["-P"]
        command = [sys.executable, *flags, "-m", _COMMAND, "run", target, *options]
        command += ["--lifeline", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves, with the target that we were given
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0
            )
        self.started = time.monotonic()
        self._said = b""
        self._is_line_open = True

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has come to take tasks, be it that it has ended since."""
        if self.is_starting:
            self._hear()
        return _READY in self._said

    @property
    def is_starting(self) -> bool:
        """Whether it may still become ready."""
        return _READY not in self._said and self._is_line_open

    @property
    def was_drained(self) -> bool:
        """Whether it has ended since somebody wanted it to, by the registry and not by a signal."""
        self._hear()
        return _DRAINED in self._said

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._is_line_open:
                said = self._line.recv(16)
                self._said += said
                self._is_line_open = bool(said)

    def fileno(self) -> int:
        """Readable when it becomes ready."""
        return self._line.fileno()

    def ended(self) -> int | None:
        """Its exit code as a shell has it, 128 and the number for a signal; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self) -> None:
        """Return once it has ended."""
        self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def close(self) -> None:
        """Let go of the line. To a child that still runs this says that its supervisor is gone."""
        self._is_line_open = False
        self._line.close()


class Lifeline:
    """The child's end. When the supervisor is gone, however it went, this process drains as if told to."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the operating system's own call
        self._line = socket.socket(fileno=descriptor)

    def say_ready(self) -> None:
        """Tell the supervisor that tasks are taken, and watch over it from now on."""
        with contextlib.suppress(OSError):
            self._line.send(_READY)
        threading.Thread(target=self._watch, name="omnidaemon-lifeline", daemon=True).start()

    def say_drained(self) -> None:
        """Tell the supervisor that this worker has left because somebody wanted it to: nobody shall take its place."""
        with contextlib.suppress(OSError):
            self._line.send(_DRAINED)

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            self._line.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


def describe(code: int) -> str:
    """How a process ended, in words."""
    if code <= 128:  # noqa: PLR2004 - above it is a signal's number
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(code - 128).name}"
    except ValueError:
        return f"with exit code {code}"
