"""Sizes as people say them."""

from __future__ import annotations

_STEP = 1024
_UNITS = ("KiB", "MiB", "GiB")


def size_text(count: int) -> str:
    """A number of bytes: `1 byte`, `512 bytes`, `1.5 KiB`, `16 MiB`, `1,234.5 GiB`."""
    if count < _STEP:
        return f"{count:,} byte{'s' * (count != 1)}"
    size, unit = count / _STEP, _UNITS[0]
    for larger in _UNITS[1:]:
        if size < _STEP - 0.05:  # what rounds to 1,024.0 is one of the next unit
            break
        size, unit = size / _STEP, larger
    return f"{size:,.1f}".removesuffix(".0") + f" {unit}"


def limit_text(count: int, most: int, setting: str) -> str:
    """How large something is, how large it may be, and how to change that: `1.9 MiB (2,000,000 bytes), the limit is
    1 MiB (OMNIDAEMON_PAYLOAD_MAX_BYTES=1048576)`. To the byte too, since it may be too large by one."""
    exactly = f" ({count:,} bytes)" if count >= _STEP else ""
    return f"{size_text(count)}{exactly}, the limit is {size_text(most)} ({setting}={most})"
