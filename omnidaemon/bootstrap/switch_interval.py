"""How soon a thread that waits for the interpreter gets it, while a worker of this process runs."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Iterator

_SECONDS = 0.0002
"""With Python's 5 ms, a loop of agents that never idles takes the interpreter back before the engine or a store's
writer has woken, and both starve for seconds (measured: 4 to 37 s for a write; 16 to 76 ms with this)."""

_lock = threading.Lock()
_before: list[float] = []
"""What each worker that runs has found. The setting is the whole process's, so this is too."""


@contextlib.contextmanager
def shortened_switch_interval() -> Iterator[None]:
    """Never lengthens it. The last that leaves restores what the first has found, unless somebody else set it since."""
    with _lock:
        _before.append(sys.getswitchinterval())
        sys.setswitchinterval(min(_before[0], _SECONDS))
    try:
        yield
    finally:
        with _lock:
            found = _before[0]
            _before.pop()
            if not _before and math.isclose(sys.getswitchinterval(), min(found, _SECONDS), rel_tol=0.01):
                sys.setswitchinterval(found)
