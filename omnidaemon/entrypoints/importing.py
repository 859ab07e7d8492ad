"""Whether a file of agents is being imported just now, so that an unguarded `sdk.run()` in it shall do nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_IMPORTING: ContextVar[bool] = ContextVar("omnidaemon_importing", default=False)


def is_importing() -> bool:
    """Whether this is called from a file that `omni` imports."""
    return _IMPORTING.get()


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """While in here, is_importing() is true."""
    token = _IMPORTING.set(True)
    try:
        yield
    finally:
        _IMPORTING.reset(token)
