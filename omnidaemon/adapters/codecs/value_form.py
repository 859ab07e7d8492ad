"""How `Value`s look in a store, for cattrs, which knows no classes of this kind: an object of their fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeGuard, get_type_hints

from cattrs import Converter

from omnidaemon.domain.run import Run
from omnidaemon.domain.values import Value

_UNSTORED = {(Run, "kin")}  # how a run was made in this process


def use_value_form(converter: Converter) -> None:
    """Let the converter write and read them. Unknown keys are passed over, absent ones have their default."""
    converter.register_unstructure_hook_factory(_is_value, lambda kind: _writer(converter, kind))
    converter.register_structure_hook_factory(_is_value, lambda kind: _reader(converter, kind))


def _is_value(kind: object) -> TypeGuard[type[Value]]:
    return isinstance(kind, type) and issubclass(kind, Value)


def _writer(converter: Converter, kind: type[Value]) -> Callable[[Value], dict[str, Any]]:
    @cache  # asked for at the first value, since a kind may hold others of its own
    def hooks() -> list[tuple[str, Callable[[Any], Any]]]:
        return [(name, converter.get_unstructure_hook(hint)) for name, hint in _stored_fields(kind)]

    return lambda value: {name: hook(getattr(value, name)) for name, hook in hooks()}


def _reader(converter: Converter, kind: type[Value]) -> Callable[[Mapping[str, Any], Any], Value]:
    @cache
    def hooks() -> list[tuple[str, Any, Callable[[Any, Any], Any]]]:
        return [(name, hint, converter.get_structure_hook(hint)) for name, hint in _stored_fields(kind)]

    return lambda stored, _: kind(**{name: hook(stored[name], hint) for name, hint, hook in hooks() if name in stored})


def _stored_fields(kind: type[Value]) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(name, hints[name]) for name in kind.__struct_fields__ if (kind, name) not in _UNSTORED]
