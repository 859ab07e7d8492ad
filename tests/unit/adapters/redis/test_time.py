"""The server's clock as it is known between replies, and the guard when that clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omnidaemon.adapters.redis.guarding import KeptGuard
from omnidaemon.adapters.redis.server_clock import ServerClock
from omnidaemon.domain.instant import Instant
from omnidaemon.ports.run_store import LeaseSpan

SPAN = LeaseSpan(2.0, 30.0)


def at(steady):
    return Instant(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=steady), steady)


def test_clock_says_what_a_reply_said():
    clock = ServerClock()
    told = clock.note(b"1700000000", b"250000")
    assert told == at(1700000000.25)
    assert 0 <= clock.now().steady - told.steady < 0.5


def test_late_reply_does_not_set_the_estimate_back():
    clock = ServerClock()
    clock.note(b"1700000000", b"0")
    clock.note(b"1699999999", b"700000")
    assert clock.now().steady >= 1699999999.99


def test_clock_that_was_set_back_is_followed():
    clock = ServerClock()
    clock.note(b"1700000000", b"0")
    clock.note(b"1699990000", b"0")
    assert clock.now().steady < 1699990001


def test_guard_is_touched_in_passing():
    """Only when somebody was last heard changes, so the server need not be asked who was."""
    first = KeptGuard().touched(at(100.0), SPAN).heard(at(100.0))
    after = first.touched(at(100.5), SPAN)
    assert first.expectation(after) == ["guard", "touch", "100.000000", first.terms]


def test_gap_is_written_upon_what_was_read():
    first = KeptGuard().touched(at(100.0), SPAN).heard(at(100.0))
    after = first.touched(at(120.0), SPAN)
    assert first.expectation(after)[1] == "exact"
    assert [after.guard.may_lapse(30.0, now) for now in (149.0, 150.0)] == [False, True]


def test_clock_that_was_set_back_gives_owners_time_to_renew():
    """Their leases are out of bounds by the new time; no owner is dead for that."""
    first = KeptGuard().touched(at(10_000.0), SPAN).heard(at(10_000.0))
    after = first.touched(at(100.0), SPAN)
    assert [after.guard.may_lapse(30.0, now) for now in (129.0, 130.0)] == [False, True]


def test_guard_is_read_as_it_was_written():
    guard = KeptGuard().touched(at(100.0), SPAN).heard(at(100.0))
    resumed = guard.touched(at(120.0), SPAN).heard(at(120.0))
    for each in (guard, resumed, resumed.touched(at(140.0), SPAN).heard(at(140.0))):
        assert KeptGuard.told(each.seen.encode(), each.terms.encode()) == each
    assert KeptGuard.told(b"", b"") == KeptGuard()
