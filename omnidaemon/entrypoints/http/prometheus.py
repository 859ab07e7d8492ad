"""What agents have done, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from omnidaemon.domain.metrics import Metrics, bucket_seconds
from omnidaemon.domain.names import Subscription

JSON = "application/json"
_TEXTS = ("text/plain", "application/openmetrics-text")
_LABELS = ("topic", "agent")

_LADDER = range(0, 46, 2)
"""Of the buckets that are kept every second one, so that each step is twice the one before: from 1 ms to 70 minutes."""

_COUNTERS: Mapping[str, str] = {
    "tasks_received": "Tasks that the agent has begun.",
    "tasks_processed": "Tasks that ended well.",
    "tasks_failed": "Attempts that raised.",
    "tasks_skipped": "Tasks that came in while the agent was stopped, and were skipped.",
    "tasks_retried": "Attempts that were followed by another.",
    "tasks_dead_lettered": "Tasks that were given up.",
    "tasks_cancelled": "Tasks that were cancelled.",
    "tasks_crashed": "Attempts whose worker died.",
}


def wants_text(accept: str) -> bool:
    """Whether a client prefers text over JSON: it asks for text or OpenMetrics, and not for JSON at least as much."""
    weights = dict(_weights(accept))
    text = max((weights.get(kind, 0.0) for kind in _TEXTS), default=0.0)
    return text > weights.get(JSON, 0.0)


def _weights(accept: str) -> Iterator[tuple[str, float]]:
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((value for name, _, value in (p.partition("=") for p in parameters) if name == "q"), "1")
        try:
            yield kind, float(weight)
        except ValueError:
            yield kind, 0.0


def exposition(done: Mapping[Subscription, Metrics], accept: str) -> tuple[bytes, str]:
    """The text, and its media type: OpenMetrics where that is asked for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Done(done))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


@attrs.frozen(eq=False)
class _Done(Collector):
    """Everything labelled by topic and agent, and by nothing that grows with the tasks."""

    done: Mapping[Subscription, Metrics]

    def collect(self) -> Iterator[Metric]:
        for name, told in _COUNTERS.items():
            family = CounterMetricFamily(f"omnidaemon_{name}", told, labels=_LABELS)
            for subscription, metrics in self.done.items():
                family.add_metric((subscription.topic, subscription.agent), getattr(metrics, name))
            yield family
        times = HistogramMetricFamily("omnidaemon_attempt_duration_seconds", "How long attempts took.", labels=_LABELS)
        for subscription, metrics in self.done.items():
            times.add_metric(
                (subscription.topic, subscription.agent), _cumulated(metrics), sum_value=metrics.seconds_sum
            )
        yield times


def _cumulated(metrics: Metrics) -> list[tuple[str, float]]:
    """The same steps for every agent at any time: who adds up or compares has the same ones in all series."""
    steps: list[tuple[str, float]] = []
    for step in _LADDER:
        seen = sum(count for bucket, count in metrics.timings if bucket <= step)
        steps.append((f"{bucket_seconds(step):.6g}", seen))
    return [*steps, ("+Inf", metrics.attempts_timed)]
