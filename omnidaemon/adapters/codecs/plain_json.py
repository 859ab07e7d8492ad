"""Plain JSON values as text; or what is wrong with a value, and where in it."""

from __future__ import annotations

import math
from datetime import date, time
from typing import cast

import orjson

from omnidaemon.domain.errors import PayloadNotJson

MAX_DEPTH = 64
"""How many objects and arrays may stand inside one another. Whoever reads a task can rely on it."""

_INSTEAD = "publish dicts with text keys, lists, strings, numbers, true, false or null"
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
_SCALARS = (int, str, bool, type(None))
"""What orjson writes or refuses as it shall be; of floats it writes those that JSON does not have."""
_AS_IT_IS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def payload_text(value: object) -> bytes:
    """The JSON text of a payload: plain JSON values only, else `PayloadNotJson` with where in it and why."""
    if (text := text_of(value)) is not None:
        return text
    if flaw := flaw_in(value):
        raise PayloadNotJson(f"the value at ${flaw}")
    return checked_text_of(value)


def text_of(value: object) -> bytes | None:
    """The JSON text of a value that is plain through and through, quickly; None when that takes a closer look."""
    try:
        text = orjson.dumps(value, option=_AS_IT_IS)
    except TypeError:
        return None
    if type(value) in _SCALARS:  # a third of what is below
        return text
    # orjson writes NaN as null, and an enum or a UUID as text; what comes back equal was none of these. Two passes in C
    # cost a third of a walk in Python.
    read = orjson.loads(text)
    return text if read == value and not is_too_deep(text, read) else None


def checked_text_of(value: object) -> bytes:
    """The JSON text of a value in which `flaw_in` finds nothing."""
    return orjson.dumps(value, default=_extended)


def _extended(value: object) -> object:
    # orjson takes subclasses of dict, list, str and int for what they extend, but not those of these two.
    if isinstance(value, float):
        return float(value)
    return list(cast("tuple[object, ...]", value))


def flaw_in(value: object, depth: int = 0) -> str | None:
    """Where and why a value is no JSON, such as `.tags[2] is of type set, …`; None when it is.

    JSON values are dict with str keys, list, tuple, str, int within 64 bits, finite float, bool and None; subclasses
    count as what they extend. A value that contains itself is found to be too deep.
    """
    if isinstance(value, str):
        return None if value.isascii() else _surrogate_in(value)
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if _MIN_INTEGER <= value <= _MAX_INTEGER else " is an integer beyond 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else f" is {float(value)}, and JSON has finite numbers only"
    if isinstance(value, (dict, list, tuple)):
        return _flaw_within(value, depth + 1)
    remedy = "use .isoformat()" if isinstance(value, (date, time)) else _INSTEAD
    return f" is of type {type(value).__qualname__}, which JSON cannot carry: {remedy}"


def described(value: object) -> str:
    """The kind of a value with its article: `a set`, `an Address`."""
    name = type(value).__qualname__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def is_too_deep(text: bytes, value: object) -> bool:
    """Whether a value, just read from this text, nests deeper than `MAX_DEPTH`."""
    # Most values hold no others, and most of the rest fewer brackets than the limit altogether: neither needs the walk.
    if text.find(b"[", 1) < 0 and text.find(b"{", 1) < 0:
        return False
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    layer = [value]
    for _ in range(MAX_DEPTH):
        layer = [item for part in layer if isinstance(part, (dict, list)) for item in _items(part)]
    return any(isinstance(part, (dict, list)) for part in layer)


def _items(part: dict[str, object] | list[object]) -> list[object]:
    return list(part.values()) if isinstance(part, dict) else part


def _flaw_within(value: dict[object, object] | list[object] | tuple[object, ...], depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f" is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, dict):
        for key, item in value.items():
            if flaw := _flaw_of_key(key):
                return flaw
            if flaw := flaw_in(item, depth):
                return step(str(key)) + flaw
        return None
    for index, item in enumerate(value):
        if flaw := flaw_in(item, depth):
            return step(index) + flaw
    return None


def _flaw_of_key(key: object) -> str | None:
    if not isinstance(key, str):
        return f" has the key {key!r}, {described(key)}, and JSON has text keys only"
    if not key.isascii() and (flaw := _surrogate_in(key)):
        return f" has the key {key!r}, which{flaw}"
    return None


def step(key: str | int) -> str:
    """One step of a path: `.name`, `[2]` or `["other name"]`."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() else f'["{key}"]'


def _surrogate_in(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f" holds {text[error.start]!r}, half of a surrogate pair, which is no character"
    return None
