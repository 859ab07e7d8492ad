"""What every page keeps: its links lead somewhere, its programs are programs, its words are the project's."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.unit.docs.pages import DOCS, PAGES, ROOT, blocks

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:omnidaemon|tests|docs|examples|benchmarks)/[\w./-]*)`")


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
class TestPage:
    def test_links_lead_somewhere(self, page):
        """Each relative link names a file that is there, and a heading in it."""
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            assert there.exists(), target
            assert not anchor or anchor in _anchors(there), target

    def test_paths_lead_somewhere(self, page):
        """What is named as a path of the repository, or of the folder that the page is about, is there."""
        for path in _PATH.findall(page.read_text(encoding="utf-8")):
            assert (ROOT / path).exists() or (page.parent / path).exists(), path

    def test_programs_are_programs(self, page):
        """Each Python and TOML block can be read by its language."""
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, f"{page.name}:{block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if block.language == "toml":
                tomllib.loads(block.text)

    def test_promises_no_more_than_is_kept(self, page):
        """Nothing is promised to happen exactly once."""
        assert "exactly once" not in page.read_text(encoding="utf-8").lower()


def test_index_names_every_page():
    """From the index, and the list of decisions, one gets to every page."""
    listed: set[Path] = set()
    for index in (DOCS / "index.md", DOCS / "adr" / "README.md"):
        targets = _LINK.findall(index.read_text(encoding="utf-8"))
        listed |= {(index.parent / target.partition("#")[0]).resolve() for target in targets if "://" not in target}
    assert set(DOCS.rglob("*.md")) - listed == {DOCS / "index.md"}
