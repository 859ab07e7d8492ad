"""The pages, done as a reader would do them, on the embedded default."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.integration.examples.theatre import Theatre, is_played
from tests.servers.redis_servers import missing
from tests.unit.docs.pages import DOCS, PAGES, ROOT

_PLAYED = [page for page in PAGES if is_played(page)]


def test_the_main_pages_are_played():
    """The pages that a newcomer reads are among those that are run."""
    names = {str(page.relative_to(ROOT)) for page in _PLAYED}
    assert {"README.md", "docs/tutorials/first-agent.md", "docs/how-to/test-your-agents.md"} <= names


@pytest.mark.timeout(400)  # some seventy commands, each a process
def test_guides_follow_one_another(tmp_path):
    """Who goes through the tutorial and the guides in the order of the index, in one folder and one terminal, finds
    each true after those before it."""
    listed = re.findall(r"\]\(((?:tutorials|how-to)/[\w-]+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    theatre = Theatre(tmp_path)
    try:
        for page in [DOCS / name for name in listed]:
            if not _lacks_curl(page):  # it is skipped below, and CI has what every page needs
                theatre.play(page)
                theatre.stop()
    finally:
        theatre.close()


@pytest.mark.parametrize("page", _PLAYED, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_is_true(page, tmp_path):
    """Every file, program and command of the page does what the page says."""
    if _lacks_curl(page):
        missing("the page uses curl, which is not installed")
    theatre = Theatre(tmp_path)
    try:
        theatre.play(page)
        theatre.stop()
    finally:
        theatre.close()


def _lacks_curl(page):
    return "curl" in page.read_text(encoding="utf-8") and shutil.which("curl") is None
