"""Reads a payload from the command line, a file or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs

from omnidaemon.domain.errors import InvalidInput, InvalidValue
from omnidaemon.domain.texts import Described
from omnidaemon.entrypoints.excerpts import excerpt

_ARGUMENT = "the payload"
QUOTING = """quote the whole payload for the shell: '{"name": "Alice"}'; or read it from a file: @payload.json"""


@attrs.define(slots=False)
class BrokenJson(InvalidInput):
    """A payload is not JSON; `line` and `column` count from 1, `excerpt` shows the place to a person."""

    origin: str
    reason: str
    line: int
    column: int
    excerpt: str

    def __str__(self) -> str:
        return f"{self.origin} is not JSON: {self.reason} at line {self.line}, column {self.column}"

    @property
    def advice(self) -> str:
        """What to do about it, where the shell may be the reason; "" else."""
        return QUOTING if self.origin == _ARGUMENT else ""


def read_payload(given: str) -> object:
    """The JSON value that `given` is, or that is in the file `@path`, or on standard input for `-`.

    Raises `BrokenJson`, and `InvalidValue` for a file that cannot be read.
    """
    if given == "-":
        return _parsed(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
    if given.startswith("@"):
        path = Path(given[1:])
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise InvalidValue(
                "payload", given, f"the path of a readable file after the @ ({error.strerror})"
            ) from error
        return _parsed(_decoded(raw, str(path)), str(path))
    return _parsed(given, _ARGUMENT)


def _decoded(raw: bytes, origin: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue(origin, Described(f"no text in UTF-8 (byte {error.start})"), "JSON in UTF-8") from error


def _parsed(text: str, origin: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        reason = "there is nothing" if not text.strip() else error.msg[0].lower() + error.msg[1:]
        line = text.split("\n")[error.lineno - 1]
        raise BrokenJson(origin, reason, error.lineno, error.colno, excerpt(line, error.colno)) from error
    except RecursionError:
        raise InvalidValue(origin, Described("nested too deeply"), "JSON of fewer levels") from None
    return value


def _refuse(name: str) -> object:
    raise InvalidValue("payload", name, "JSON, which has no such number")
