"""FIFOs in a folder: each belongs to one listening event loop, and every other process writes into it to wake it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, Self

if sys.platform != "win32":
    import fcntl

_PREFIX: Final = "bell-"
_AT_ONCE: Final = 65_536
"""What a FIFO holds most often."""
_LEAST_CAPACITY: Final = 4096
"""No FIFO holds less; that much Linux gives to whoever has many."""
# A folder's time of change moves in steps (of up to 10 ms): a list made this soon after it may miss what came next.
_SETTLED_NANOSECONDS: Final = 100_000_000


class Fifo:
    """A FIFO of one's own, open for reading."""

    def __init__(self, path: Path, descriptor: int, writer: int) -> None:
        """Take over the two ends of the FIFO at `path`."""
        self.name: Final = path.name
        self.descriptor: Final = descriptor
        self._path = path
        # Held open so that the reading end doesn't see an end of file, and spin, when the last other writer goes.
        self._writer = writer

    @classmethod
    def made_in(cls, folder: Path) -> Self | None:
        """Make one; None where there are none (Windows) or none can be made just now (a full disk)."""
        if sys.platform == "win32":
            return None
        path = folder / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        unfinished = path.with_name(f".{path.name}")
        try:
            os.mkfifo(unfinished, 0o600)
            descriptor = os.open(unfinished, os.O_RDONLY | os.O_NONBLOCK)
            writer = os.open(unfinished, os.O_WRONLY | os.O_NONBLOCK)
            # Under its name only now: a FIFO that nobody reads yet looks like a dead process's, and would be removed.
            unfinished.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            return None
        return cls(path, descriptor, writer)

    def drain(self) -> bytes:
        """Take out what the others have written; never waits."""
        told = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.descriptor, _AT_ONCE):
                told += chunk
                if len(chunk) < _AT_ONCE:
                    break
        return told

    @property
    def capacity(self) -> int:
        """How many bytes fit in: where it has held so many, what came last may be lacking."""
        if sys.platform != "linux":
            return _LEAST_CAPACITY
        return fcntl.fcntl(self.descriptor, fcntl.F_GETPIPE_SZ)

    def unlink(self) -> None:
        """Take it from the folder, so that nobody finds it any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Take it from the folder and close it."""
        self.unlink()
        os.close(self.descriptor)
        os.close(self._writer)


class ForeignFifos:
    """The FIFOs of the others in a folder, kept open as long as they are there. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it need not exist yet."""
        self._folder = folder
        self._writers: dict[str, int] = {}
        self._listed_at: int | None = None

    def ring(self, byte: bytes, *, besides: AbstractSet[str]) -> None:
        """Write this byte into each FIFO but those named; never waits. What a dead process left is removed."""
        self._refresh(besides)
        for name, writer in tuple(self._writers.items()):
            try:
                os.write(writer, byte)
            except BlockingIOError:
                pass  # full of rings: it is being woken already
            except OSError:
                self._forget(name)
                self._remove(name)

    def close(self) -> None:
        """Close them all; the next ring looks for them anew."""
        for name in tuple(self._writers):
            self._forget(name)
        self._listed_at = None

    def _refresh(self, besides: AbstractSet[str]) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
            if changed_at == self._listed_at:
                return
            is_settled = time.time_ns() - changed_at > _SETTLED_NANOSECONDS
            with os.scandir(self._folder) as entries:
                names = {entry.name for entry in entries if entry.name.startswith(_PREFIX)}
        except OSError:
            return
        self._listed_at = changed_at if is_settled else None
        for name in self._writers.keys() - names:
            self._forget(name)
        for name in names - self._writers.keys() - besides:
            self._meet(name)

    def _meet(self, name: str) -> None:
        try:
            self._writers[name] = os.open(self._folder / name, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody has it open for reading: its process is dead
                self._remove(name)
            elif error.errno != errno.ENOENT:
                self._listed_at = None  # too many open files, for instance: try again at the next ring

    def _forget(self, name: str) -> None:
        os.close(self._writers.pop(name))

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()
