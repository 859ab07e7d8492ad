"""The lapse guard: live owners renew first after an absence of the store, and recovery is never starved."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omnidaemon.domain.lapse_guard import LapseGuard

lease_pairs = st.tuples(st.floats(0.2, 60), st.floats(0.2, 60)).map(sorted)
touches = st.lists(st.tuples(st.floats(0, 200), lease_pairs), min_size=1, max_size=40)


def walk(gaps):
    """Each touch as (time, guard before, guard after)."""
    guard, now, seen = LapseGuard(), 1000.0, []
    for gap, (shortest, longest) in gaps:
        now += gap
        before, guard = guard, guard.touched(now, shortest, longest)
        seen.append((now, before, guard))
    return seen


@given(touches, st.floats(0.2, 60))
def test_each_lease_is_judged_at_the_latest_after_its_own_length(gaps, lease):
    """However long the leases of others are, and never before the gap was over."""
    for now, _, guard in walk(gaps):
        assert guard.judges_from(lease) <= now + lease + 1e-6
        if guard.resumed_at == now:
            assert guard.judges_from(lease) >= now


@given(touches, st.floats(0.2, 60))
def test_first_gap_begins_a_whole_grace(gaps, lease):
    """So does the first one of each later series."""
    for now, before, guard in walk(gaps):
        if guard.resumed_at == now and (before.resumed_at is None or guard.heard_seconds == 0.0):
            assert guard.judges_from(lease) == now + lease


@given(st.floats(0.2, 60), st.floats(0.05, 0.9))
def test_store_that_comes_and_goes_starves_nobody(lease, share):
    """Up for a part of a lease, away for longer: the grace goes on where it stood, and the dead are found."""
    guard, now, is_judged = LapseGuard().touched(0.0, lease, lease), 0.0, False
    for _ in range(int(2 / share) + 3):
        now += 10 * lease
        guard = guard.touched(now, lease, lease)
        for _ in range(4):
            now += share * lease / 4
            guard = guard.touched(now, lease, lease)
            is_judged |= guard.may_lapse(lease, now)
    assert is_judged


def test_long_lease_holds_up_no_short_one():
    """After a gap, a lease of two seconds is judged after two seconds, beside one of forty."""
    guard = LapseGuard().touched(0.0, 2.0, 40.0).touched(3.0, 2.0, 40.0)
    assert [guard.may_lapse(2.0, now) for now in (4.9, 5.0)] == [False, True]
    assert [guard.may_lapse(40.0, now) for now in (42.9, 43.0)] == [False, True]


def test_second_gap_is_new_to_who_had_its_grace():
    """A short lease gets another one; a long one goes on, for as long as it had been heard."""
    guard = LapseGuard().touched(0.0, 20.0, 40.0).touched(100.0, 2.0, 40.0)
    for now in range(101, 111):
        guard = guard.touched(float(now), 2.0, 40.0)
    guard = guard.touched(150.0, 2.0, 40.0)
    assert (guard.judges_from(2.0), guard.judges_from(40.0)) == (152.0, 180.0)


def test_first_sign_of_life_is_no_gap():
    """A new store has no absence to make up for, and takes the leases as they are."""
    guard = LapseGuard().touched(5.0, 2.0, 4.0)
    assert guard == LapseGuard(last_seen=5.0, shortest_lease=2.0, longest_lease=4.0)
    assert guard.may_lapse(30.0, 5.0)


def test_leases_of_all_that_are_heard_count():
    """The shortest decides what a gap is, the longest when a series of gaps is over."""
    guard = LapseGuard().touched(0.0, 10.0, 20.0).touched(1.0, 4.0, 6.0)
    assert (guard.shortest_lease, guard.longest_lease) == (4.0, 20.0)
    assert guard.touched(2.9, 10.0, 10.0).resumed_at is None
    assert guard.touched(3.1, 10.0, 10.0).resumed_at == 3.1
