"""A text that must not be seen: it is told from others, handed on and used, and never printed by mistake."""

from __future__ import annotations

from typing import Final


class Secret:
    """Shows itself as three asterisks, in messages, logs and tracebacks; `reveal()` gives the text."""

    __slots__ = ("_text",)

    SHOWN: Final = "***"

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{self.SHOWN}')"

    def __str__(self) -> str:
        return self.SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)
