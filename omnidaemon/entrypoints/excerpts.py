"""The place of a mistake in somebody's text, so that it can be seen."""

from __future__ import annotations

from typing import Final

_BEFORE: Final = 40
_LONGEST: Final = 78


def excerpt(line: str, column: int) -> str:
    """The line, as much of it as fits, with a caret under the column (from 1); each on a new line, indented. "" for a
    blank line."""
    if not line.strip():
        return ""
    start = max(0, column - 1 - _BEFORE)
    shown = line.replace("\t", " ")[start : start + _LONGEST]
    return f"\n      {shown}\n      {' ' * (column - 1 - start)}^"
