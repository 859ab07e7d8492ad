"""The histogram as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from omnidaemon.domain.metrics import Metrics, timing_bucket
from omnidaemon.domain.names import Subscription
from omnidaemon.entrypoints.http.prometheus import exposition

_TIMES = "omnidaemon_attempt_duration_seconds"


def buckets_of(*seconds):
    """The steps of a histogram of attempts that took so long, and how many each has."""
    counts: dict[int, int] = {}
    for each in seconds:
        counts[timing_bucket(each)] = counts.get(timing_bucket(each), 0) + 1
    metrics = Metrics(attempts_timed=len(seconds), seconds_sum=sum(seconds), timings=tuple(sorted(counts.items())))
    text, _ = exposition({Subscription("greet.user", "greeter"): metrics}, "text/plain")
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    return {s.labels["le"]: s.value for s in families[_TIMES].samples if s.name == f"{_TIMES}_bucket"}


def test_the_steps_do_not_depend_on_what_has_occurred():
    """Series of one histogram that come and go cannot be added up."""
    assert list(buckets_of()) == list(buckets_of(0.5)) == list(buckets_of(0.0001, 3.0, 100_000.0))


def test_each_step_holds_what_took_no_longer():
    """Also what falls between two of them, and what is beyond the last."""
    told = buckets_of(0.0005, 0.0012, 0.0017, 3.0, 100_000.0)
    assert [told[step] for step in ("0.001", "0.002", "0.004", "2.048", "4.096", "4194.3", "+Inf")] == [
        1,
        3,
        3,
        3,
        4,
        4,
        5,
    ]
