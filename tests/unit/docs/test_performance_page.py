"""The page on performance says what was measured."""

from __future__ import annotations

import subprocess
import sys

from tests.unit.docs.pages import DOCS, ROOT

_WRITE = "import sys; from pathlib import Path; import page; sys.stdout.write(page.page_of(Path(sys.argv[1])))"


def test_the_page_is_that_of_the_results():
    """Written by `benchmarks/page.py`, and not by hand."""
    harness = ROOT / "benchmarks"
    command = [sys.executable, "-X", "utf8", "-c", _WRITE, str(harness / "results")]
    written = subprocess.run(command, capture_output=True, check=True, cwd=harness).stdout.decode()
    assert (DOCS / "reference" / "performance.md").read_text(encoding="utf-8") == written
    assert "<!--" not in written, "a part is missing"
