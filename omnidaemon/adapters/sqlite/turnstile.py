"""A fair order between the processes that write to one file: who has just written queues behind those who wait."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Literal

if sys.platform != "win32":
    import fcntl

PATIENCE_SECONDS: Final = 2.0


class Turnstile:
    """Admit one process at a time, in the order of coming.

    SQLite's own busy handler sleeps and tries again, so that luck decides: of sixteen processes most waited for
    seconds while one wrote thousands of times. Here two files are locked by flock(2), first `queue`, then `write`.
    Whoever holds `queue` is next, and lets go of it as soon as it holds `write`. A process that leaves finds `queue`
    taken and lines up behind those who wait, whom Linux wakes in their order. A killed process frees its locks.

    This is about order only: what keeps the data right is SQLite's own lock. So it does no harm to go around the
    turnstile, and that is what `enter` lets happen when somebody stands still inside it (SIGSTOP, a debugger).

    For one thread at a time. Without flock (Windows) nobody waits here, and the busy handler decides.
    """

    def __init__(self, folder: Path, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Name the folder of the two lock files, which must exist when `open` is called."""
        self._folder = folder
        self._patience_seconds = patience_seconds
        self._locks: _LockPair | None = None

    def open(self) -> None:
        """Open the lock files, for this user alone; raises OSError."""
        if sys.platform != "win32":
            self._locks = _LockPair(self._folder)

    def close(self) -> None:
        """Close the lock files. A lock that is held, or still awaited after the patience ended, is given back."""
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    def enter(self) -> bool:
        """Wait for the turn. True: call `leave` afterwards. False: go ahead without a turn, since the patience ended or
        the system gives no more locks or threads."""
        return self._locks is not None and self._locks.acquire(self._patience_seconds)

    def leave(self) -> None:
        """Let the next one in."""
        if self._locks is not None:
            self._locks.release()


if sys.platform != "win32":

    class _LockPair:
        """The two locks, and a thread that waits for them, since flock(2) knows no time-out.

        The thread is asked only while others are in the turnstile: to enter an empty one takes three system calls.
        """

        def __init__(self, folder: Path) -> None:
            self._queue = _opened(folder / "queue")
            try:
                self._write = _opened(folder / "write")
            except OSError:
                os.close(self._queue)
                raise
            self._requests: SimpleQueue[Literal["wait", "end"]] = SimpleQueue()
            self._grants: SimpleQueue[bool] = SimpleQueue()
            self._thread: threading.Thread | None = None
            self._guard = threading.Lock()
            self._is_waiting = False  # the thread stands in the turnstile
            self._is_wanted = True  # somebody waits for the thread
            self._is_closed = False

        def acquire(self, patience_seconds: float) -> bool:
            if self._is_waiting:
                # It still waits for the turn that was given up. To lose the patience again with each batch would
                # bring this process to a standstill, so it goes around until the turn comes.
                return False
            try:
                if self._is_free():
                    return True
                self._send_thread()
            except (OSError, RuntimeError):  # ENOLCK; no thread can be started
                _unlock(self._queue)
                return False
            try:
                return self._grants.get(timeout=patience_seconds)
            except Empty:
                with self._guard:
                    self._is_wanted = not self._is_waiting  # the turn may have come in this very moment
                return self._is_wanted and self._grants.get()

        def release(self) -> None:
            _unlock(self._write)

        def _is_free(self) -> bool:
            """Whether nobody is in the turnstile, and it is this one's turn now."""
            if not _is_locked_at_once(self._queue):
                return False
            if not _is_locked_at_once(self._write):
                return False  # and the next one it is, holding `queue`
            _unlock(self._queue)
            return True

        def close(self) -> None:
            with self._guard:
                self._is_closed = True
                if self._is_waiting:
                    return  # the thread closes the files: their numbers must not be used anew while it is in flock
            if self._thread is not None:
                self._requests.put("end")
                self._thread.join()
            self._close_files()

        def _send_thread(self) -> None:
            if self._thread is None:
                thread = threading.Thread(target=self._wait_for_turns, name="omnidaemon-turnstile", daemon=True)
                thread.start()
                self._thread = thread
            self._is_waiting = self._is_wanted = True
            self._requests.put("wait")

        def _wait_for_turns(self) -> None:
            while self._requests.get() == "wait":
                has_turn = self._stand_in_line()
                with self._guard:
                    self._is_waiting = False
                    if self._is_wanted:
                        self._grants.put(has_turn)
                        continue
                    if has_turn:
                        _unlock(self._write)
                    if self._is_closed:
                        self._close_files()
                        return

        def _stand_in_line(self) -> bool:
            """Wait for the turn, however long; False when the system refuses a lock."""
            try:
                fcntl.flock(self._queue, fcntl.LOCK_EX)
                fcntl.flock(self._write, fcntl.LOCK_EX)
            except OSError:
                return False
            finally:
                _unlock(self._queue)
            return True

        def _close_files(self) -> None:
            os.close(self._queue)
            os.close(self._write)

    def _opened(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def _unlock(descriptor: int) -> None:
        with contextlib.suppress(OSError):  # then it is freed when the file is closed
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _is_locked_at_once(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
