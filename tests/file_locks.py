"""Locks on files, as another process sees them."""

from __future__ import annotations


def is_free(file: int) -> bool:
    """Whether nobody holds a lock on this open file; POSIX only."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True
