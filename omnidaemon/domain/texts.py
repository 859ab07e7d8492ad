"""Texts from people's code, which may hold what no store can keep."""

from __future__ import annotations

from typing import Final, TypeGuard

LONGEST_TEXT: Final = 1000


def is_text(value: object, longest: int = LONGEST_TEXT) -> TypeGuard[str]:
    """Whether every bus and store can carry it: a lone surrogate, as in an undecodable file name, has no UTF-8."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, written out as their numbers."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def brief(text: str, longest: int = 300) -> str:
    """The beginning of a text that somebody else has made up, as any store can keep it."""
    text = storable(text[: longest + 1]).replace("\0", "\\x00")
    return text if len(text) <= longest else text[: longest - 1] + "…"


class Described(str):
    """What is said of a value that is not to be shown itself: in a message it stands without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
