"""Times in JSON: ISO 8601 in UTC with microseconds. orjson writes them; what it needs is an aware time in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def in_utc(at: datetime) -> datetime:
    """The same instant in UTC; `ValueError` for a time without a zone, which names no instant."""
    if at.tzinfo is UTC:
        return at
    if at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC)


def from_text(text: str) -> datetime:
    """The time in UTC; `ValueError` for text that names no instant, `TypeError` for what is no text."""
    return in_utc(datetime.fromisoformat(text))
