"""Times as people say them."""

from __future__ import annotations

import math
from datetime import datetime

from omnidaemon.domain.durations import UNITS, duration_text


def due_text(at: datetime, now: datetime) -> str:
    """When something comes that is waited for, in whole seconds: `in 12 s`, `now`, or `3 s ago` where it is overdue."""
    left = (at - now).total_seconds()
    if left > 0:
        return f"in {duration_text(math.ceil(left))}"
    return "now" if left > -1 else relative_time(at, now)


def relative_time(at: datetime, now: datetime) -> str:
    """A time seen from now, in its largest unit: `3 s ago`, `in 2 min`, `just now`."""
    seconds = (now - at).total_seconds()
    distance = abs(seconds)
    if distance < 1:
        return "just now"
    size, unit = next((size, unit) for size, unit, *_ in (*UNITS, (1, "s")) if distance >= size)
    said = f"{int(distance // size)} {unit}"
    return f"{said} ago" if seconds > 0 else f"in {said}"
