"""Metrics: a monoid, with quantiles to the precision of its buckets."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidaemon.domain.metrics import Metrics, timing_bucket

seconds = st.floats(0, 1e6)


def of(times):
    """The metrics of attempts that took these times. Times in whole units, so that their sums are exact."""
    return sum(
        (Metrics(attempts_timed=1, seconds_sum=time, timings=((timing_bucket(time), 1),)) for time in times), Metrics()
    )


counts = st.builds(
    Metrics,
    **{
        field.name: st.integers(0, 1000)
        for field in attrs.fields(Metrics)
        if field.name not in ("seconds_sum", "timings")
    },
    seconds_sum=st.integers(0, 10**6).map(float),
    timings=st.dictionaries(st.integers(0, 40), st.integers(1, 99)).map(lambda found: tuple(sorted(found.items()))),
)


@given(counts, counts, counts)
def test_metrics_add_up_in_any_order(a, b, c):
    """Associative, commutative, with an empty one that changes nothing."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Metrics() == Metrics() + a == a


@given(counts, counts)
def test_metrics_add_every_field(a, b):
    """None is forgotten."""
    total = a + b
    for field in attrs.fields(Metrics):
        if field.name != "timings":
            assert getattr(total, field.name) == getattr(a, field.name) + getattr(b, field.name)
    assert sum(count for _, count in total.timings) == sum(count for _, count in (*a.timings, *b.timings))


@given(st.lists(st.integers(1, 10**6).map(float), min_size=1), st.floats(0.01, 1))
def test_quantile_is_right_within_its_bucket(times, share):
    """At least the true one, and at most the square root of two above it."""
    ordered = sorted(times)
    exact = next(time for rank, time in enumerate(ordered, start=1) if rank >= share * len(ordered))
    found = of(times).quantile(share)
    assert exact <= found * (1 + 1e-9)
    assert found <= exact * 2**0.5 * (1 + 1e-9)


@given(seconds, seconds)
def test_buckets_keep_the_order_of_times(a, b):
    """A longer time is in no smaller bucket; what is shorter than a millisecond is in the first."""
    assert (timing_bucket(min(a, b)) <= timing_bucket(max(a, b))) is True
    assert timing_bucket(min(a, 0.001)) == 0


def test_averages_of_nothing_are_nothing():
    """No division by zero."""
    assert (Metrics().avg_processing_time_sec, Metrics().quantile(0.5)) == (0.0, 0.0)
    assert of([1.0, 2.0]).avg_processing_time_sec == pytest.approx(1.5)
