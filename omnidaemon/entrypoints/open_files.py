"""How many files and connections this process may have open at once."""

from __future__ import annotations

import contextlib
import sys


def allow_all_open_files() -> None:
    """Raise the soft limit to the hard one, which needs no right. The soft one is often 1,024, for the sake of programs
    that use select(2): neither asyncio nor anything here does. Where there is no such limit, nothing is done."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says that it has no limit, and has a lower one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
