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
        seen.append((now, before, guard, gap))
    return seen


@given(touches)
def test_grace_that_runs_is_never_extended(gaps):
    """Whatever comes while it runs: a store that comes and goes cannot put recovery off for ever."""
    for now, before, after, _ in walk(gaps):
        if now < before.no_lapse_until:
            assert after.no_lapse_until == before.no_lapse_until


@given(touches)
def test_grace_lasts_for_the_longest_lease(gaps):
    """It begins with a gap of more than half the shortest lease, and only so."""
    for now, before, after, gap in walk(gaps):
        if after.no_lapse_until != before.no_lapse_until:
            assert before.last_seen is not None
            assert gap > before.shortest_lease / 2 - 1e-6
            assert after.no_lapse_until >= now + after.longest_lease


@given(touches, lease_pairs)
def test_guard_judges_once_workers_have_been_heard_for_the_longest_lease(gaps, leases):
    """Touched each quarter of the shortest lease, it lets leases lapse again after one longest lease."""
    now, _, guard, _ = walk(gaps)[-1]
    shortest, longest = leases
    grace = max(longest, guard.longest_lease, guard.no_lapse_until - now)
    # The first touch of these workers may come late in the eyes of those that were heard before: that is a new gap.
    end = now + 2 * grace + shortest
    while now < end:
        now += min(shortest, guard.shortest_lease) / 4
        guard = guard.touched(now, shortest, longest)
    assert guard.may_lapse(now)


def test_first_sign_of_life_is_no_gap():
    """A new store has no absence to make up for, and takes the leases as they are."""
    guard = LapseGuard().touched(5.0, 2.0, 4.0)
    assert guard == LapseGuard(last_seen=5.0, shortest_lease=2.0, longest_lease=4.0)
    assert guard.may_lapse(5.0)


def test_leases_of_all_that_are_heard_count():
    """The shortest decides what a gap is, the longest how long the grace lasts."""
    guard = LapseGuard().touched(0.0, 10.0, 20.0).touched(1.0, 4.0, 6.0)
    assert (guard.shortest_lease, guard.longest_lease) == (4.0, 20.0)
    after = guard.touched(3.1, 10.0, 10.0)
    assert (after.no_lapse_until, after.may_lapse(23.0), after.may_lapse(23.2)) == (23.1, False, True)
