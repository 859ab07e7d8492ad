"""Texts from people's code, which may hold what no store can keep."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, written out as their numbers."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
