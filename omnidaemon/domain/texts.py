"""Texts from people's code, which may hold what no store can keep."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, written out as their numbers."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def brief(text: str, longest: int = 300) -> str:
    """The beginning of a text that somebody else has made up, as any store can keep it."""
    text = storable(text[: longest + 1]).replace("\0", "\\x00")
    return text if len(text) <= longest else text[: longest - 1] + "…"
