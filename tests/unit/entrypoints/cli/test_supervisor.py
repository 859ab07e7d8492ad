"""When the supervisor starts, replaces and gives up, with children that follow a script."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time

import pytest

from omnidaemon.entrypoints.cli.supervisor import Supervisor, pause_seconds


class Scripted:
    """A child that never existed: ready or not, ended or not, as the test says. It obeys a signal at once."""

    def __init__(self, *, is_ready=True, code=None, obeys=0, was_drained=False):
        self.becomes_ready = is_ready
        self.is_starting = True
        self.code = code
        self.obeys = obeys
        self.was_drained = was_drained
        self.started = time.monotonic()
        self.pid = 4711
        self.received = []
        self._line, self._other = socket.socketpair()
        if is_ready:
            self._other.send(b"r")
        if code is not None:  # the end of its process closes the line
            self._other.close()

    @property
    def is_ready(self):
        self.is_starting = self.is_starting and not self.becomes_ready
        return self.becomes_ready

    def fileno(self):
        return self._line.fileno()

    def ended(self):
        return self.code

    def send(self, number):
        self.received.append(number)
        if self.code is None:
            self.code = self.obeys

    def close(self):
        self._line.close()
        self._other.close()


class Cast:
    """Children in the order in which they are started; the last one is followed by a signal to the supervisor."""

    def __init__(self, *children, then=signal.SIGTERM):
        self.waiting = list(children)
        self.all = list(children)
        self.then = then

    def start(self):
        child = self.waiting.pop(0)
        if not self.waiting and self.then is not None:
            os.kill(os.getpid(), self.then)
        return child


def test_the_first_child_that_cannot_start_ends_everything():
    """A mistake in the file is told once, by the child; nobody is started after it."""
    cast = Cast(Scripted(is_ready=False, code=2), Scripted(), Scripted(), then=None)
    assert Supervisor(3, cast.start).run() == 2
    assert len(cast.waiting) == 2
    for child in cast.waiting:
        child.close()


def test_a_signal_is_passed_on_and_all_ends_wait_for():
    """Both children get what the supervisor got, and their good end is its own."""
    cast = Cast(Scripted(), Scripted(), then=signal.SIGINT)
    assert Supervisor(2, cast.start).run() == 0
    assert [child.received for child in cast.all] == [[signal.SIGINT]] * 2


def test_a_child_that_died_is_replaced(capsys):
    """What dies after it was ready is started again, and the end is told."""
    cast = Cast(Scripted(code=9), Scripted())
    assert Supervisor(1, cast.start).run() == 0
    assert not cast.waiting
    assert "process 1 (4711) ended with exit code 9; starting it again in 0.5 s" in capsys.readouterr().err


def test_a_child_that_somebody_drained_is_not_replaced(capsys):
    """Its place stays empty, while the other one goes on; with the last one the supervisor ends well."""

    class Last(Scripted):
        """When it is buried, the supervisor is told to stop."""

        def close(self):
            super().close()
            os.kill(os.getpid(), signal.SIGTERM)

    cast = Cast(Scripted(), Last(code=0, was_drained=True), then=None)
    assert Supervisor(2, cast.start).run() == 0
    assert cast.all[0].received == [signal.SIGTERM]
    cast = Cast(Scripted(code=0, was_drained=True), Scripted(code=0, was_drained=True), then=None)
    assert Supervisor(2, cast.start).run() == 0
    assert capsys.readouterr().err.count("was drained; nothing takes its place") == 3


def test_a_bad_end_while_stopping_is_told_by_the_exit_code():
    """Told to stop, a child that fails makes the supervisor fail."""
    cast = Cast(Scripted(obeys=137))
    assert Supervisor(1, cast.start).run() == 1


def test_a_child_that_had_not_started_may_end_as_it_likes():
    """A signal in the middle of its start is no failure."""
    cast = Cast(Scripted(), Scripted(is_ready=False, obeys=143))
    assert Supervisor(2, cast.start).run() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_is_on_its_way_out_may_end_by_the_signal(number):
    """It has done all that it had to do, and handles signals no more."""
    cast = Cast(Scripted(obeys=128 + number, was_drained=True), then=number)
    assert Supervisor(1, cast.start).run() == 0


def test_a_later_failing_start_is_tried_again():
    """Once workers have run, one that cannot start, its backend being away, does not end the others."""
    cast = Cast(Scripted(), Scripted(is_ready=False, code=4), Scripted())
    assert Supervisor(2, cast.start).run() == 0
    assert not cast.waiting


def test_a_second_signal_is_passed_on_too():
    """It has the children give back what they run."""

    class Slow(Scripted):
        """Ends at the second signal only, and asks for it at the first."""

        def send(self, number):
            self.received.append(number)
            if len(self.received) == 1:
                threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGTERM)).start()
            else:
                self.code = 0

    cast = Cast(Slow())
    assert Supervisor(1, cast.start).run() == 0
    assert cast.all[0].received == [signal.SIGTERM] * 2


def test_handlers_are_put_back():
    """Afterwards signals do what they did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
    Supervisor(1, Cast(Scripted()).start).run()
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.fixture
def above_1023():
    """Every descriptor that is opened from now on is above 1023, the last that select(2) knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1100:
        pytest.skip("no more than a thousand files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] < 1023:
        held.append(os.dup(held[0]))
    yield
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("above_1023")
def test_a_thousand_open_files_do_not_end_it():
    """As many as a process has that serves a thousand streams: `omni run` allows it."""
    cast = Cast(Scripted(code=9), Scripted())
    assert cast.all[1].fileno() > 1023
    assert Supervisor(1, cast.start).run() == 0
    assert not cast.waiting


@pytest.mark.parametrize(("deaths", "seconds"), [(1, 0.5), (2, 1), (4, 4), (7, 30), (10_000, 30)])
def test_pauses_grow_to_a_limit(deaths, seconds):
    """Twice as long after each death, half a minute at most."""
    assert pause_seconds(deaths) == seconds
