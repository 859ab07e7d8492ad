"""Times and durations as people say them."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def duration_text(seconds: float) -> str:
    """A duration: `<1 ms`, `12 ms`, `1.3 s`, `42 s`, `2 min 5 s`, `3 h`, `1 d 4 h`."""
    if 0 < seconds < 0.0005:  # noqa: PLR2004 - what would round to nothing
        return "<1 ms"
    if seconds < 0.9995:  # noqa: PLR2004 - what rounds to 1000 ms is a second
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:  # noqa: PLR2004 - what rounds to 10.0 needs no tenth
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part_size, part_unit in _UNITS:
        if whole >= size:
            count, rest = divmod(whole, size)
            part = rest // part_size
            return f"{count} {unit} {part} {part_unit}" if part else f"{count} {unit}"
    return f"{whole} s"


def due_text(at: datetime, now: datetime) -> str:
    """When something comes that is waited for: `in 12 s`, `now`, or `3 s ago` where it is overdue."""
    left = (at - now).total_seconds()
    if left > 0:
        return f"in {duration_text(left)}"
    return "now" if left > -1 else relative_time(at, now)


def relative_time(at: datetime, now: datetime) -> str:
    """A time seen from now, in its largest unit: `3 s ago`, `in 2 min`, `just now`."""
    seconds = (now - at).total_seconds()
    distance = abs(seconds)
    if distance < 1:
        return "just now"
    size, unit = next((size, unit) for size, unit, *_ in (*_UNITS, (1, "s")) if distance >= size)
    said = f"{int(distance // size)} {unit}"
    return f"{said} ago" if seconds > 0 else f"in {said}"
