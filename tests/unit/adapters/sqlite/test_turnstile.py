"""The turnstile: one at a time, in order, and nobody who stands still in it holds up the others for ever."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from omnidaemon.adapters.sqlite.turnstile import Turnstile
from tests.file_locks import is_free

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")


@pytest.fixture
def make(tmp_path):
    made = []

    def make(patience_seconds=10.0):
        turnstile = Turnstile(tmp_path, patience_seconds=patience_seconds)
        turnstile.open()
        made.append(turnstile)
        return turnstile

    yield make
    for turnstile in made:
        turnstile.close()


def test_one_at_a_time(make):
    """Several threads, each with a turnstile of its own, never meet inside."""
    inside, most = [], []

    def visit(turnstile):
        for _ in range(50):
            assert turnstile.enter()
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            turnstile.leave()

    threads = [threading.Thread(target=visit, args=(make(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 200
    assert max(most) == 1


def test_whoever_leaves_lines_up_behind_those_who_wait(make):
    """The one who has just been in cannot get in again before the one who waits."""
    mine, other = make(), make()
    order = []
    assert mine.enter()

    def visit():
        other.enter()
        order.append("other")
        other.leave()

    thread = threading.Thread(target=visit)
    thread.start()
    while other._locks._thread is None or is_free(mine._locks._queue):
        time.sleep(0.001)
    mine.leave()
    mine.enter()
    order.append("mine")
    mine.leave()
    thread.join()
    assert order == ["other", "mine"]


def test_the_patience_ends_and_the_turn_given_up_is_passed_on(make):
    """Behind somebody who stands still one goes without a turn, at once from then on, until he moves."""
    still, other = make(), make(patience_seconds=0.05)
    assert still.enter()
    assert not other.enter()
    started_at = time.monotonic()
    for _ in range(100):
        assert not other.enter()
    assert time.monotonic() - started_at < 0.05
    still.leave()
    deadline = time.monotonic() + 10
    while not other.enter():
        assert time.monotonic() < deadline
    other.leave()
    assert still.enter()
    still.leave()


def test_closing_while_a_turn_is_awaited(make, tmp_path):
    """The abandoned wait ends by itself, and holds nothing."""
    still, other = make(), make(patience_seconds=0.01)
    assert still.enter()
    assert not other.enter()
    thread = other._locks._thread
    other.close()
    still.leave()
    thread.join(10)
    assert not thread.is_alive()
    assert still.enter()
    still.leave()


def test_closing_while_inside(make):
    """What is held is given back."""
    inside, other = make(), make()
    assert inside.enter()
    inside.close()
    assert other.enter()
    other.leave()


def test_a_closed_turnstile_lets_everybody_through(tmp_path):
    """As on a system without flock."""
    turnstile = Turnstile(tmp_path)
    assert not turnstile.enter()
    turnstile.leave()
