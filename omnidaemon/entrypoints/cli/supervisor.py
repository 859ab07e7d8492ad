"""Keeps several worker processes running, and ends when it is told to or when they cannot start."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

from omnidaemon.entrypoints.cli.exit_codes import ExitCode
from omnidaemon.entrypoints.cli.processes import Child, describe
from omnidaemon.entrypoints.cli.screen import note

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
_MOST_FAILED_STARTS = 5
_BY_OUR_SIGNALS = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})
"""Exit codes of processes that one of the signals ended which are passed on here."""


class _Post:
    """One of the places to be filled, unless it `is_given_up`. `failed_starts` counts those in a row that never took a
    task, `deaths` all ends since it last lived for a while."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.child: Child | None = None
        self.deaths = 0
        self.failed_starts = 0
        self.start_at = 0.0
        self.is_given_up = False

    def bury(self, child: Child) -> None:
        """Note that the child has ended, and when to start the next."""
        now = time.monotonic()
        has_lived = child.is_ready and now - child.started >= _HEALTHY_SECONDS
        self.deaths = 1 if has_lived else self.deaths + 1
        self.failed_starts = 0 if child.is_ready else self.failed_starts + 1
        self.start_at = now + pause_seconds(self.deaths)
        self.child = None
        child.close()


def pause_seconds(deaths: int) -> float:
    """How long to wait before starting anew after so many ends in a row."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(deaths - 1, 16))


class Supervisor:
    """Runs on the main thread. SIGTERM and SIGINT are passed on: the first drains the workers, a second one has them
    give back what runs.

    At first one worker is started alone: a file with a mistake in it ends everything with one message and its exit
    code. A worker that dies after it was ready, by a poison task for instance, is replaced for ever, after growing
    pauses; workers that cannot start any more, once none is left, end the supervisor too, unless the backend is away.
    A worker that somebody has drained is not replaced; with the last of them the supervisor ends.
    """

    def __init__(self, processes: int, start: Callable[[], Child]) -> None:
        self._posts = [_Post(number) for number in range(1, processes + 1)]
        self._start = start
        self._has_been_ready = False
        self._arrived: list[signal.Signals] = []
        self._is_stopping = False
        self._verdict = int(ExitCode.DONE)

    def run(self) -> int:
        """Supervise until all have ended; the exit code."""
        with self._woken_by_signals() as wakeup:
            while True:
                self._pass_signals_on()
                self._bury_the_dead()
                if not self._is_stopping:
                    self._fill_posts()
                elif not self._children():
                    return self._verdict
                self._sleep(wakeup)

    def _children(self) -> list[Child]:
        return [post.child for post in self._posts if post.child is not None]

    def _bury_the_dead(self) -> None:
        for post in self._posts:
            child = post.child
            if child is None:
                continue
            # Asked in this order, since it may become ready and end between the two.
            code = child.ended()
            self._has_been_ready |= child.is_ready
            if code is not None:
                post.is_given_up = not self._is_stopping and child.was_drained
                post.bury(child)
                self._judge(post, child, code)

    def _judge(self, post: _Post, child: Child, code: int) -> None:
        told = f"process {post.number} ({child.pid}) ended {describe(code)}"
        if self._is_stopping:
            # One that is told to stop while it starts, or while it exits, knows no better end than the signal.
            if child.is_ready and code != ExitCode.DONE and code not in _BY_OUR_SIGNALS:
                self._verdict = self._verdict or ExitCode.FAILED
                note(told)
        elif post.is_given_up:
            note(f"process {post.number} ({child.pid}) was drained; nothing takes its place")
            self._is_stopping = all(post.is_given_up for post in self._posts)
        elif not child.is_ready and self._is_hopeless(code):
            self._give_up(code)
        else:
            note(f"{told}; starting it again in {pause_seconds(post.deaths):g} s")

    def _is_hopeless(self, code: int) -> bool:
        """Whether starting anew is of no use after this failed start."""
        if not self._has_been_ready:
            return True
        return (
            code != ExitCode.UNREACHABLE
            and not self._children()
            and all(post.failed_starts >= _MOST_FAILED_STARTS or post.is_given_up for post in self._posts)
        )

    def _give_up(self, code: int) -> None:
        # What went wrong the worker has said itself.
        self._verdict = code or ExitCode.FAILED
        self._arrived.append(signal.SIGTERM)

    def _fill_posts(self) -> None:
        now = time.monotonic()
        posts = self._posts if self._has_been_ready else self._posts[:1]
        for post in posts:
            if post.child is None and not post.is_given_up and post.start_at <= now:
                post.child = self._start()

    # --- signals and sleep --------------------------------------------------------------------------------------------

    def _sleep(self, wakeup: int) -> None:
        """Until a signal, a child's end (which is one, too), a child that becomes ready, or the next start."""
        now = time.monotonic()
        empty = [post for post in self._posts if post.child is None and not post.is_given_up]
        starts = [post.start_at - now for post in empty if self._has_been_ready]
        timeout = None if self._is_stopping or not starts else max(0.0, min(starts))
        watched = select.poll()  # select(2) knows no descriptor above 1023
        for descriptor in (wakeup, *(child.fileno() for child in self._children() if child.is_starting)):
            watched.register(descriptor, select.POLLIN)
        watched.poll(0 if self._arrived else None if timeout is None else math.ceil(timeout * 1000))
        with contextlib.suppress(BlockingIOError):
            os.read(wakeup, 4096)

    def _pass_signals_on(self) -> None:
        arrived, self._arrived = self._arrived, []
        for number in arrived:
            self._is_stopping = True
            for child in self._children():
                child.send(number)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        # Passed on by the loop, which is not in the middle of starting a child then.
        self._arrived.append(signal.Signals(number))

    @contextlib.contextmanager
    def _woken_by_signals(self) -> Iterator[int]:
        """Handlers for the time being, and a descriptor that every signal makes readable."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        handlers = {signal.SIGTERM: self._on_signal, signal.SIGINT: self._on_signal, signal.SIGCHLD: _only_wake}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        woken_before = signal.set_wakeup_fd(writer)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reader)
            os.close(writer)


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """A child has ended; the wake-up is all that is needed."""
