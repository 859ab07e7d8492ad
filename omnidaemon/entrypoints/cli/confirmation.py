"""Asking before something is lost for good."""

from __future__ import annotations

import sys

from omnidaemon.entrypoints.cli.options import WrongUse
from omnidaemon.entrypoints.safe_text import printable


def confirm(deed: str, *, is_agreed: bool) -> bool:
    """Whether a person wants it: they said so by --yes, or do when they are asked. `WrongUse` where nobody can be."""
    if is_agreed:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongUse(f"this would {deed} for good: give --yes if that is meant")
    sys.stderr.write(printable(f"{deed} for good? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
