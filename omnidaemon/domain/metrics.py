"""Counts and times per agent: a monoid, so that they can be added up in any order."""

from __future__ import annotations

import math

import attrs

_BUCKETS_PER_DOUBLING = 2
_SMALLEST_SECONDS = 0.001


@attrs.frozen(kw_only=True)
class Metrics:
    """What an agent did. `Metrics()` is the neutral element of `+`.

    `timings` maps a log bucket to how many attempts took that long: bucket b holds the times up to
    0.001 s * 2 ** (b / 2), so that a quantile is off by at most a factor of the square root of two.
    """

    tasks_received: int = 0
    tasks_processed: int = 0
    tasks_failed: int = 0
    tasks_skipped: int = 0
    tasks_retried: int = 0
    tasks_dead_lettered: int = 0
    tasks_cancelled: int = 0
    tasks_crashed: int = 0
    attempts_timed: int = 0
    seconds_sum: float = 0.0
    timings: tuple[tuple[int, int], ...] = ()

    def __add__(self, other: Metrics) -> Metrics:
        timings = dict(self.timings)
        for bucket, count in other.timings:
            timings[bucket] = timings.get(bucket, 0) + count
        return Metrics(
            tasks_received=self.tasks_received + other.tasks_received,
            tasks_processed=self.tasks_processed + other.tasks_processed,
            tasks_failed=self.tasks_failed + other.tasks_failed,
            tasks_skipped=self.tasks_skipped + other.tasks_skipped,
            tasks_retried=self.tasks_retried + other.tasks_retried,
            tasks_dead_lettered=self.tasks_dead_lettered + other.tasks_dead_lettered,
            tasks_cancelled=self.tasks_cancelled + other.tasks_cancelled,
            tasks_crashed=self.tasks_crashed + other.tasks_crashed,
            attempts_timed=self.attempts_timed + other.attempts_timed,
            seconds_sum=self.seconds_sum + other.seconds_sum,
            timings=tuple(sorted(timings.items())),
        )

    @property
    def avg_processing_time_sec(self) -> float:
        """The mean time of an attempt in seconds, 0.0 when there was none."""
        return self.seconds_sum / self.attempts_timed if self.attempts_timed else 0.0

    def quantile(self, share: float) -> float:
        """The time in seconds that the given share of attempts stayed within, to the precision of the buckets."""
        wanted, seen = share * self.attempts_timed, 0
        for bucket, count in self.timings:
            seen += count
            if seen >= wanted:
                return bucket_seconds(bucket)
        return 0.0


def timing_bucket(seconds: float) -> int:
    """The log bucket that holds this time."""
    if seconds <= _SMALLEST_SECONDS:
        return 0
    return math.ceil(_BUCKETS_PER_DOUBLING * math.log2(seconds / _SMALLEST_SECONDS))


def bucket_seconds(bucket: int) -> float:
    """The longest time that this log bucket holds."""
    return float(_SMALLEST_SECONDS * 2 ** (bucket / _BUCKETS_PER_DOUBLING))


def bucket_of(seconds: float) -> int:
    """The log bucket that `bucket_seconds` told by this bound."""
    return round(_BUCKETS_PER_DOUBLING * math.log2(seconds / _SMALLEST_SECONDS))
