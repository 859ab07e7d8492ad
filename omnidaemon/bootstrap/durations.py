"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from omnidaemon.domain.durations import plain_number
from omnidaemon.domain.errors import InvalidValue

EXPECTED = "a duration such as 90, 90s, 10m, 1.5h, 2d or 500ms"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: object, name: str = "duration") -> timedelta:
    """The duration that a text or number means; a number without a unit counts seconds.

    Raises `InvalidValue`, under the given name, for everything else and for what is negative.
    """
    try:
        duration = value if isinstance(value, timedelta) else timedelta(seconds=_seconds(value))
    except (ValueError, OverflowError) as error:
        raise InvalidValue(name, value, EXPECTED) from error
    if duration < timedelta():
        raise InvalidValue(name, value, EXPECTED)
    return duration


def setting_of(duration: timedelta) -> str:
    """The duration as `parse_duration` reads it, in the largest unit that it is a whole number of: `1d`, `90m`."""
    if not duration:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        count = duration / timedelta(seconds=_SECONDS[unit])
        if count.is_integer():
            return f"{count:.0f}{unit}"
    return f"{plain_number(duration.total_seconds())}s"


def _seconds(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    match = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(value)
    number, unit = match.groups()
    return float(number) * _SECONDS[unit or "s"]
