"""A text that must not be seen: it is told from others, handed on and used, and never printed by mistake."""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen(str=False, repr=False)
class Secret:
    """Shows itself as three asterisks, in messages, logs and tracebacks; `reveal()` gives the text."""

    SHOWN: ClassVar[str] = "***"

    _text: str

    def reveal(self) -> str:
        """The text itself, for the place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{self.SHOWN}')"

    def __str__(self) -> str:
        return self.SHOWN
