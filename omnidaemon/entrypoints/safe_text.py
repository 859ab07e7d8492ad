"""Makes text from elsewhere fit for a terminal: what agents return or topics are called must not drive it."""

from __future__ import annotations

import re
from typing import Final

# ECMA-48: strings (OSC, DCS, SOS, PM, APC) up to their terminator, control sequences, and the two-byte escapes; each
# also in its eight-bit form. No alternative looks beyond the next escape, so hostile text costs linear time only.
_SEQUENCES: Final = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
)
# Other controls but tab and line feed; and what reorders text, so that it reads otherwise than it is.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BLANKS: Final = re.compile(r"\s+")


def printable(text: str) -> str:
    """The text without escape sequences and control characters; line feeds and tabs stay."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def one_line(text: str, longest: int | None = None) -> str:
    """The printable text on one line, cut to `longest` characters."""
    line = _BLANKS.sub(" ", printable(text if longest is None else text[: 8 * longest])).strip()
    return line if longest is None or len(line) <= longest else f"{line[: longest - 1]}…"


def escaped_json(text: str) -> str:
    """JSON text in which the characters that `printable` removes are written as JSON escapes: the same value.

    The C0 controls are escaped by any JSON encoder; this adds what is legal in JSON and not harmless in a terminal.
    """
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_IN_JSON: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
