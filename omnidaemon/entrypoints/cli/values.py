"""Payloads and results as a person reads them."""

from __future__ import annotations

import json

from omnidaemon.entrypoints.cli.views import Cell
from omnidaemon.entrypoints.safe_text import escaped_json, one_line, printable

_SHORT = 60
_REASON = 300


def json_text(value: object, *, indent: int | None = None) -> str:
    """The JSON text of a value, harmless on a terminal."""
    return escaped_json(json.dumps(value, ensure_ascii=False, indent=indent))


def readable(value: object) -> Cell:
    """A whole value: compact JSON for programs; for people text as it is, a flat object line by line, else laid out."""
    is_line = isinstance(value, str) and value.isprintable()
    return Cell(text=str(value) if is_line else json_text(value), shown=_laid_out(value))


def summary(value: object) -> Cell:
    """A value in a table: cut to a line for people, whole for programs."""
    if value is None:
        return Cell(text="")
    text = value if isinstance(value, str) else json_text(value)
    return Cell(text=one_line(text), shown=one_line(text, _SHORT))


def reason(text: str | None) -> Cell:
    """Why something went wrong, in a table: cut to a line for people, to a longer one for programs, since `show` and
    `--json` have all of it."""
    return Cell(text="") if text is None else Cell(text=one_line(text, _REASON), shown=one_line(text, _SHORT))


def _laid_out(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and not any(isinstance(item, (dict, list)) for item in value.values()):
        names = {key: one_line(key) for key in value}
        width = max(map(len, names.values()))
        return "\n".join(f"{names[key]:<{width}}  {_scalar(item, width + 2)}" for key, item in value.items())
    return json_text(value, indent=2)


def _scalar(value: object, indent: int) -> str:
    text = printable(value) if isinstance(value, str) else json_text(value)
    return text.replace("\n", "\n" + " " * indent)
