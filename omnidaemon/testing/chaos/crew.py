"""Processes under control by their pids: started, killed, frozen, told to stop, and ended at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from omnidaemon.testing.chaos.audit import Interruption
from omnidaemon.testing.patience import eventually

PATIENCE_SECONDS = 90.0
_DIE_WITH_PARENT = 1
_WORDS_SHOWN = 3000


def end_with_parent() -> None:
    """Have this process killed when the one that started it dies, so that no test leaves anything running. Linux only;
    nothing elsewhere."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class Member:
    """One process of a crew."""

    def __init__(self, process: subprocess.Popen[bytes], words: Path, interruptions: list[Interruption]) -> None:
        self._process = process
        self._words = words
        self._interruptions = interruptions

    @property
    def pid(self) -> int:
        """Its own."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it lives; a negative one is the signal that killed it."""
        code = self._process.poll()
        if code == -signal.SIGKILL and not any(each.pid == self.pid for each in self._interruptions):
            # By its own hand, at a failpoint: when it was, nobody else knows better.
            self._interruptions.append(Interruption(pid=self.pid, at=time.monotonic()))
        return code

    @property
    def words(self) -> str:
        """What it has written to stdout and stderr."""
        return self._words.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still lives."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill -9; what it had under way is excused."""
        if self._process.poll() is None:
            self._interruptions.append(Interruption(pid=self.pid, at=time.monotonic()))
            self._process.send_signal(signal.SIGKILL)
        await self.gone()

    def freeze(self) -> None:
        """SIGSTOP, for longer than a lease: what it had under way is excused."""
        self._interruptions.append(Interruption(pid=self.pid, at=time.monotonic()))
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    async def terminate(self) -> int:
        """SIGTERM, and wait: its exit code."""
        self.send(signal.SIGTERM)
        return await self.gone()

    async def says(self, text: str, within_seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until it has written this; False when it ended without."""

        async def look() -> bool | None:
            return True if text in self.words else None if self.exit_code is None else text in self.words

        return bool(await eventually(look, lambda seen: seen is not None, within_seconds))

    async def gone(self, within_seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended: its exit code."""

        async def look() -> int | None:
            return self.exit_code

        code = await eventually(look, lambda seen: seen is not None, within_seconds)
        assert code is not None
        return code

    def resident_bytes(self) -> int:
        """The memory that it has now (Linux)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def files(self) -> int:
        """How many file descriptors it has open (Linux)."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        """How many threads it has (Linux)."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))


class Crew:
    """All processes of a test. An async context manager: none of them outlives it."""

    def __init__(self, folder: Path) -> None:
        self.interruptions: list[Interruption] = []
        self._folder = folder
        self._members: list[Member] = []

    @property
    def alive(self) -> list[Member]:
        """Those that have not ended."""
        return [member for member in self._members if member.exit_code is None]

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> Member:
        """Start a process; what it writes goes to a file of its own."""
        words = self._folder / f"process-{len(self._members)}.log"
        with words.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - a program that whoever tests has named
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder
            )
        member = Member(process, words, self.interruptions)
        self._members.append(member)
        return member

    def last_words(self) -> str:
        """The ends of what they wrote, for a failure's message."""
        return "\n".join(f"--- {member.pid}\n{member.words[-_WORDS_SHOWN:]}" for member in self._members)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.alive:
            member.send(signal.SIGKILL)
            member.send(signal.SIGCONT)
            await member.gone()
        if isinstance(error, AssertionError):
            error.add_note(self.last_words())
