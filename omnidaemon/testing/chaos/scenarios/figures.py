"""What a scenario measured."""

from __future__ import annotations

from collections.abc import Sequence

Figures = dict[str, int | float | str]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
