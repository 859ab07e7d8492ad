"""What people hand over and what handlers return, as JSON text."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnidaemon.adapters.codecs.json_codec import JsonCodec
from omnidaemon.domain.errors import PayloadNotJson

CODEC = JsonCodec()
SELF_CONTAINING: list[object] = []
SELF_CONTAINING.append(SELF_CONTAINING)

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Mood(StrEnum):
    GLAD = "glad"


@attrs.frozen
class Address:
    street: object
    tags: frozenset[str] = frozenset()


class Place(msgspec.Struct):
    city: str
    addresses: list[Address]


@dataclasses.dataclass
class Person:
    name: str
    address: Address


class Model:
    """Looks like a pydantic model, which need not be installed."""

    def __init__(self, dumped):
        self.dumped = dumped

    def model_dump(self, *, mode):
        assert mode == "json"
        if isinstance(self.dumped, Exception):
            raise self.dumped
        return self.dumped


Point = namedtuple("Point", "x y")  # noqa: PYI024 - that plain ones work too


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@settings(deadline=None)  # a busy machine is no failure
@given(JSON_VALUES)
def test_any_json_value_is_a_payload_and_comes_back(value):
    """A payload comes back equal, and so does a result."""
    assert CODEC.decode_value(CODEC.encode_payload(value)) == value
    assert CODEC.encode_result(value) == CODEC.encode_payload(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), b"[1,[2]]"),
        (Point(1, 2), b"[1,2]"),
        ([Mood.GLAD, Size.BIG], b'["glad",3]'),
        (OrderedDict(a=1), b'{"a":1}'),
        ({"é": "ü"}, '{"é":"ü"}'.encode()),
        (-(2**63), b"-9223372036854775808"),
        (2**64 - 1, b"18446744073709551615"),
        (nested(64), b"[" * 64 + b"1" + b"]" * 64),
    ],
)
def test_what_extends_json_values_counts_as_them(value, text):
    """Tuples are arrays; subclasses are written as what they extend."""
    assert CODEC.encode_payload(value) == text
    assert CODEC.encode_result(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            {"user": {"tags": [1, "a", {1}]}},
            "the value at $.user.tags[2] is of type set, which JSON cannot carry: publish dicts",
        ),
        (b"raw", "the value at $ is of type bytes"),
        ([Address("x")], "$[0] is of type Address"),
        (
            {"at": datetime(2026, 1, 1, tzinfo=UTC)},
            "$.at is of type datetime, which JSON cannot carry: use .isoformat()",
        ),
        ({"id": UUID(int=1)}, "$.id is of type UUID"),
        ({"colour": Colour.RED}, "$.colour is of type Colour"),
        ({"odd key": [object()]}, '$["odd key"][0] is of type object'),
        ({"a": math.nan}, "$.a is nan, and JSON has finite numbers only"),
        ([-math.inf], "$[0] is -inf, and JSON has finite numbers only"),
        ({"n": 2**64}, "$.n is an integer beyond 64 bits"),
        ({"n": -(2**63) - 1}, "$.n is an integer beyond 64 bits"),
        ({"t": "a\ud800"}, "$.t holds '\\ud800', half of a surrogate pair, which is no character"),
        ({"a": {"\udfff": 1}}, "$.a has the key '\\udfff', which holds '\\udfff', half of a surrogate pair"),
        ({"a": {1: 2}}, "$.a has the key 1, an int, and JSON has text keys only"),
        (nested(65), "is nested deeper than 64 levels"),
        (SELF_CONTAINING, "is nested deeper than 64 levels"),
    ],
)
def test_what_is_no_json_is_refused_with_its_path(value, reason):
    """The error says which part of the payload it is, and what is wrong with it."""
    with pytest.raises(PayloadNotJson) as caught:
        CODEC.encode_payload(value)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (
            Place("Rome", [Address("Main")]),
            {"city": "Rome", "addresses": [{"street": "Main", "tags": []}]},
        ),
        (
            Person("Ada", Address("Main", frozenset("ba"))),
            {"name": "Ada", "address": {"street": "Main", "tags": ["a", "b"]}},
        ),
        (Model({"a": (1, 2)}), {"a": [1, 2]}),
        ([Model(5)], [5]),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ([Colour.RED, Size.BIG, Mood.GLAD], ["red", 3, "glad"]),
        (b"\x00\xff", "AP8="),
        (bytearray(b"\x00\xff"), "AP8="),
        ({3, 1, 2}, [1, 2, 3]),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/tmp/x"), "/tmp/x"),  # noqa: S108 - only a name
        (Decimal("1.10"), "1.10"),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({1: "a", Colour.RED: "b", date(2026, 1, 2): "c", UUID(int=1): {"x"}},
         {"1": "a", "red": "b", "2026-01-02": "c", "00000000-0000-0000-0000-000000000001": ["x"]}),
        ({"a", 1}, None),
    ],
)  # fmt: skip
def test_rich_results_become_json(value, plain):
    """What handlers return is written in the way that people expect."""
    written = json.loads(CODEC.encode_result(value))
    if plain is None:  # a set without an order
        assert set(written) == value
    else:
        assert written == plain


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"rows": [{"file": object()}]},
            r"^the value at \$\.rows\[0\]\.file is of type object, which JSON cannot carry: return dicts, lists",
        ),
        (Person("Ada", Address(math.nan)), r"^the value at \$\.address\.street is nan"),
        (Model({"n": math.inf}), r"^the value at \$\.n is inf"),
        ([Model(RuntimeError("boom"))], r"^the value at \$\[0\] is a Model whose model_dump failed: boom$"),
        ({"n": {2**64}}, r"^the value at \$\.n\[0\] is an integer beyond 64 bits$"),
        ({b"a": 1}, r"^the value at \$ has the key b'a', a bytes, which cannot become text$"),
        ({True: 1}, r"^the value at \$ has the key True, a bool"),
        ({"1": 1, 1: 2}, r"^the value at \$ has two keys that both become '1'$"),
        ({"a\ud800": 1}, r"which cannot become text"),
        ((x for x in "ab"), r"^the value at \$ is of type generator"),
        (Model, r"^the value at \$ is of type type"),
        (nested(65), r"is nested deeper than 64 levels"),
        (SELF_CONTAINING, r"is nested deeper than 64 levels"),
    ],
)
def test_a_result_that_cannot_be_written_is_named_with_its_path(value, message):
    """The error says which part of the result it is."""
    with pytest.raises(TypeError, match=message):
        CODEC.encode_result(value)


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"\xff", b"1 2"])
def test_text_that_is_no_json_has_no_value(raw):
    """Reading such a text is a ValueError."""
    with pytest.raises(ValueError, match="line 1"):
        CODEC.decode_value(raw)
