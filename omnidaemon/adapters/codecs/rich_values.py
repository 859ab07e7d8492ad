"""What handlers return, made into plain JSON values: models, data classes, times, bytes, sets and more."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from uuid import UUID

import attrs
from msgspec import UNSET, Struct
from msgspec.structs import asdict

from omnidaemon.adapters.codecs.plain_json import MAX_DEPTH, described, flaw_in, step

_AS_TEXT = (UUID, PurePath, Decimal)
_INSTEAD = (
    "return dicts, lists, strings, numbers, dataclasses, attrs classes, msgspec structs, pydantic models, times, enums "
    "or bytes"
)
_KEYS_AS_TEXT = (int, UUID, PurePath, Decimal)


def plain(value: object, path: str = "$", depth: int = 0) -> object:
    """The plain JSON value of a rich one; raises `TypeError` with the path of what has none.

    Pydantic models become what `model_dump(mode="json")` gives, attrs and data classes and msgspec structs objects,
    dates and times ISO text, timedelta seconds, enums their value, bytes base64, sets and tuples arrays (a set sorted
    where its members can be), UUID, Path and Decimal text. Keys of mappings may also be integers, enums and what
    becomes text.
    """
    if isinstance(value, Enum):
        return plain(value.value, path, depth)
    if value is None or isinstance(value, (str, int, float)):
        if flaw := flaw_in(value):
            raise TypeError(f"the value at {path}{flaw}")
        return float(value) if isinstance(value, float) else value
    if (scalar := _scalar(value)) is not None:
        return scalar
    if depth == MAX_DEPTH:
        raise TypeError(f"the value at {path} is nested deeper than {MAX_DEPTH} levels")
    if callable(getattr(type(value), "model_dump", None)):
        return plain(_dumped(value, path), path, depth + 1)
    members = _members(value)
    if isinstance(members, Mapping):
        return {key: plain(item, path + step(key), depth + 1) for key, item in _with_text_keys(members, path).items()}
    if members is not None:
        return [plain(item, path + step(index), depth + 1) for index, item in enumerate(members)]
    raise TypeError(f"the value at {path} is of type {type(value).__qualname__}, which JSON cannot carry: {_INSTEAD}")


def _scalar(value: object) -> str | float | None:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, _AS_TEXT) else None


def _members(value: object) -> Mapping[object, object] | Iterable[object] | None:
    kind = type(value)
    if isinstance(value, (Mapping, list, tuple)):
        return value
    if isinstance(value, AbstractSet):
        return _ordered(value)
    if attrs.has(kind):
        return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}
    if isinstance(value, Struct):
        return {name: member for name, member in asdict(value).items() if member is not UNSET}
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    return None


def _dumped(model: object, path: str) -> object:
    # Found by its method, so that pydantic need not be installed. Its serialisers are people's code and may raise
    # anything; to the caller all of it means that there is no JSON for this value.
    try:
        return model.model_dump(mode="json")  # type: ignore[attr-defined]  # the caller has looked
    except Exception as error:
        raise TypeError(f"the value at {path} is {described(model)} whose model_dump failed: {error}") from error


def _ordered(members: AbstractSet[object]) -> Iterable[object]:
    try:
        return sorted(members)  # type: ignore[type-var]  # those without an order come as they are
    except TypeError:
        return members


def _with_text_keys(members: Mapping[object, object], path: str) -> Mapping[str, object]:
    texts: dict[str, object] = {}
    for key, item in members.items():
        text = _key_text(key, path)
        if text in texts:
            raise TypeError(f"the value at {path} has two keys that both become {text!r}")
        texts[text] = item
    return texts


def _key_text(key: object, path: str) -> str:
    plain_key = key.value if isinstance(key, Enum) else key
    if isinstance(plain_key, (date, time)):
        return plain_key.isoformat()
    if isinstance(plain_key, _KEYS_AS_TEXT) and not isinstance(plain_key, bool):
        return str(plain_key)
    if not isinstance(plain_key, str) or flaw_in(plain_key):
        raise TypeError(f"the value at {path} has the key {key!r}, {described(key)}, which cannot become text")
    return plain_key
