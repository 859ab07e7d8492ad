"""dependency-injector's containers and providers, without the libraries that its other parts look for.

Its wiring, which nothing here uses (ADR 5), imports FastAPI, Starlette, Werkzeug and FastDepends wherever they are
installed: that takes longer than everything else that a worker loads, and a quarter of its memory. So it is loaded when
somebody's own program wires a container or imports it, as ever with what it finds then.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_WIRING = "dependency_injector.wiring"
_PLACES = threading.Lock()


class _StandIn(ModuleType):
    """In a module's place while the library is loaded, which is told what `known` says. Whoever asks for anything else,
    the library in a later version or another thread that imports the module meanwhile, gets it of the real one."""

    def __init__(self, name: str, **known: object) -> None:
        super().__init__(name)
        self._known = known
        self._thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self and threading.get_ident() == self._thread:
            if name in self._known:
                return self._known[name]
            if name.startswith("__"):  # `from … import` asks whether it is a package
                raise AttributeError(name)
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Make room for the real one, if it is not there already."""
        with _PLACES:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]


def _wire(*args: object, **kwargs: object) -> None:
    import_module(_WIRING).wire(*args, **kwargs)


def _unwire(*args: object, **kwargs: object) -> None:
    import_module(_WIRING).unwire(*args, **kwargs)


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """While this lasts, they are in the place of the real ones, unless those are loaded already."""
    # What containers import: two functions, each of which loads the wiring when it is called.
    modules = [_StandIn(_WIRING, wire=_wire, unwire=_unwire)]
    if not find_spec("pydantic_settings"):
        # What providers ask then: whether it is older than any that we run with. To load it for that costs
        # a worker 3.6 MB.
        modules.append(_StandIn("pydantic", VERSION="2"))
    for module in modules:
        sys.modules.setdefault(module.__name__, module)
    try:
        yield
    finally:
        for module in modules:
            module.leave()


with _stand_ins():
    from dependency_injector import containers, providers

__all__ = ["containers", "providers"]
