"""A command's start, without the web framework that it does not use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_UNUSED = ("fastapi", "starlette")


@contextlib.contextmanager
def unused_web_framework() -> Iterator[None]:
    """While this lasts, FastAPI and what belongs to it count as not installed, unless they are loaded already.

    dependency-injector loads them wherever they are, for a kind of injection that nothing here uses, and that takes as
    long as all else that a command loads. For commands alone: an application of somebody's own may use that injection.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for "there is no such module"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
