"""Values that must not be seen: whoever prints, logs or compares one sees `***`."""

from __future__ import annotations

import attrs


@attrs.frozen(str=False, repr=False)
class Secret:
    """A text that only `reveal()` gives away."""

    _text: str

    def reveal(self) -> str:
        """The text itself, for the one who has to send it."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"
