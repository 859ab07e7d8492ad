"""How many connections may be kept for those who wait, so that there is always one for somebody who asks."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource

_SHARE = 3
"""Streams take a third of the files that a process may have open, waits another; the rest is for bus, store and all
others. Where they are used up nobody is answered any more, not even a probe."""


def most_kept(wanted: int) -> int:
    """So many as are wanted, or as this process's limit of open files allows; at least one."""
    if sys.platform == "win32":
        return wanted
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files // _SHARE))
