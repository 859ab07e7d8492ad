"""The project's pages, and how a test reads them."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)[ \t]*(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """One fenced block: its language, what stands after it, and its text."""

    language: str
    mark: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2].strip(), m[3], text.count("\n", 0, m.start()) + 1) for m in _FENCE.finditer(text)]


def rows(page: Path, heading: str | None = None) -> list[list[str]]:
    """The cells of the tables of a page, or of those under one heading; without headers and lines."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    if heading is not None:
        (text,) = [
            part.partition("\n")[2]
            for part in re.split(r"^#+ ", text, flags=re.MULTILINE)
            if part.partition("\n")[0].strip() == heading
        ]
    found: list[list[str]] = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in table.splitlines()]
        found += [[cell.strip() for cell in line] for line in lines[2:]]
    return found


def code(cell: str) -> str:
    """What stands between the backticks of a cell, or all of it."""
    match = re.search(r"`([^`]+)`", cell)
    return match[1] if match else cell
