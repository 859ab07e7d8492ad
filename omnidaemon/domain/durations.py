"""Durations as people say them, and numbers of seconds as they write them."""

from __future__ import annotations

from typing import Final

UNITS: Final = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
"""Each unit with its seconds, and the one that its rest is told in."""


def duration_text(seconds: float) -> str:
    """A duration: `<1 ms`, `12 ms`, `1.3 s`, `42 s`, `2 min 5 s`, `3 h`, `1 d 4 h`."""
    if 0 < seconds < 0.001:  # noqa: PLR2004 - less than one of the smallest unit
        return "<1 ms"
    if seconds < 0.9995:  # noqa: PLR2004 - what rounds to 1000 ms is a second
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:  # noqa: PLR2004 - what rounds to 10.0 needs no tenth
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    told = f"{whole} s"
    for size, unit, part_size, part_unit in reversed(UNITS):
        if whole < size:
            break
        whole = round(whole / part_size) * part_size  # which may make a whole one of the next unit
        count, rest = divmod(whole, size)
        told = f"{count} {unit} {rest // part_size} {part_unit}" if rest else f"{count} {unit}"
    return told


def pause_text(seconds: float) -> str:
    """When something comes that a pause is before: `in 12 s`, or `at once` where there is none."""
    return f"in {duration_text(seconds)}" if seconds else "at once"


def plain_number(number: float) -> str:
    """A number to the sixth decimal place, without an exponent and without zeros at its end."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
