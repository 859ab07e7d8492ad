"""How many files and connections this process may have open at once."""

from __future__ import annotations

import sys

_OPEN_MAX = 10_240
"""What macOS allows where it says that it has no limit: OPEN_MAX, by its setrlimit(2), which refuses more."""


def allow_all_open_files() -> None:
    """Raise the soft limit to the hard one, which needs no right. The soft one is often 1,024, for the sake of programs
    that use select(2): neither asyncio nor anything here does. Where there is no such limit, nothing is done."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _OPEN_MAX):
        if soft == wanted:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            if soft > _OPEN_MAX:
                return
        else:
            return
