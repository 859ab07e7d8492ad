"""dependency-injector's containers and providers, without the libraries that its other parts look for.

Its wiring, which nothing here uses ([ADR 5]), imports FastAPI, Starlette, Werkzeug and FastDepends wherever they are
installed; that takes longer, and holds more memory, than everything else that a worker loads. So it is loaded when
somebody's own program wires a container or imports it, as ever with what it finds then.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_WIRING = "dependency_injector.wiring"


def _wiring() -> ModuleType:
    """What containers import of it: two functions, each of which loads it when it is called."""

    def wire(*args: object, **kwargs: object) -> None:
        import_module(_WIRING).wire(*args, **kwargs)

    def unwire(*args: object, **kwargs: object) -> None:
        import_module(_WIRING).unwire(*args, **kwargs)

    module = ModuleType(_WIRING)
    module.__dict__.update(wire=wire, unwire=unwire)
    return module


def _pydantic() -> ModuleType:
    """What providers ask of it where `pydantic_settings` is not installed: whether it is older than any that we run
    with."""
    module = ModuleType("pydantic")
    module.__dict__.update(VERSION="2")
    return module


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """While this lasts, these are in the place of the real ones, unless those are loaded already."""
    modules = [_wiring()] if find_spec("pydantic_settings") else [_wiring(), _pydantic()]
    placed = {module.__name__: module for module in modules if module.__name__ not in sys.modules}
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name in placed:
            del sys.modules[name]


with _stand_ins():
    from dependency_injector import containers, providers

__all__ = ["containers", "providers"]
