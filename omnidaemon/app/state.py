"""The base of what the engine keeps of each task under way."""

from __future__ import annotations

from msgspec import Struct


class State(Struct, eq=False):
    """What changes as long as somebody keeps it, made as cheaply as a `Value`; each is itself alone, whatever its
    fields."""
