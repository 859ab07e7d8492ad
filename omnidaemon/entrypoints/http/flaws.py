"""What is wrong with a request, in the words of who sent it: where, and what was expected there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from omnidaemon.entrypoints.http.schemas.kinds import CURSOR_PATTERN, NAME_PATTERN

_LONGEST_TOLD: Final = 1000
_NAMED_KEY: Final = "[key]"
"""Stands at the end of a place when not the value there is wrong, but the name that it has."""

_PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        NAME_PATTERN: "a name: 1 to 200 of the characters A-Z a-z 0-9 . _ -",
        CURSOR_PATTERN: "the cursor of an earlier answer",
    }
)
_EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "a text",
        "string_unicode": "a text that UTF-8 can carry",
        "int_type": "a whole number",
        "int_parsing": "a whole number",
        "int_parsing_size": "a whole number that is not as large",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "float_parsing": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
        "list_type": "a list",
        "dict_type": "an object",
        "model_attributes_type": "an object",
        "string_too_short": "a text with a length of at least {min_length}",
        "string_too_long": "a text with a length of at most {max_length}",
        "too_long": "at most {max_length} of them",
        "greater_than_equal": "a number of at least {ge:,.0f}",
        "less_than_equal": "a number of at most {le:,.0f}",
        "less_than": "a number below {lt:,.0f}",
        "enum": "one of {expected}",
        "value_error": "{error}",
    }
)
"""What was expected, by the kinds that pydantic has of errors.

https://docs.pydantic.dev/latest/errors/validation_errors"""


def flaws_of(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`where` and `message` of each flaw that pydantic has found, once. Never the value: it may be a secret, or
    large."""
    told: dict[str, dict[str, str]] = {}
    for error in errors:
        if error["type"] == _ABSENT:
            continue
        where = _where(error["loc"])
        told.setdefault(where, {"where": where, "message": _message(error)[:_LONGEST_TOLD]})
    return list(told.values())


_ABSENT: Final = "none_required"
"""The other choice of a parameter that may be left out; nobody can write it."""


def _where(loc: tuple[str | int, ...]) -> str:
    """`body.headers.X`, `query.limit`. Behind the name of a parameter stands which choice of its type was tried."""
    parts = loc if loc[0] == "body" else loc[:2]
    return ".".join(str(part) for part in parts if part != _NAMED_KEY)[:_LONGEST_TOLD]


def _message(error: Mapping[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "missing":
        return "missing" if len(error["loc"]) > 1 else "missing: send a JSON object"
    if kind == "extra_forbidden":
        return "not known here"
    if kind == "string_pattern_mismatch":
        expected = _PATTERNS.get(context["pattern"], f"a text that matches {context['pattern']}")
    elif kind in _EXPECTED:
        expected = _EXPECTED[kind].format(**context)
    else:
        return str(error["msg"])
    return f"expected {expected}"
