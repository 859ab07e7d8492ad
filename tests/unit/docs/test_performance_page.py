"""The page on performance says what was measured, and so does its chart."""

from __future__ import annotations

import subprocess
import sys

from tests.unit.docs.pages import DOCS, ROOT

_WRITE = "import sys; from pathlib import Path; import page; sys.stdout.write(page.{}(Path(sys.argv[1])))"


def written_by(function: str) -> str:
    """What `benchmarks/page.py` makes of the results that are kept."""
    harness = ROOT / "benchmarks"
    command = [sys.executable, "-X", "utf8", "-c", _WRITE.format(function), str(harness / "results")]
    return subprocess.run(command, capture_output=True, check=True, cwd=harness).stdout.decode()


def test_the_page_is_that_of_the_results():
    """Written by `benchmarks/page.py`, and not by hand."""
    written = written_by("page_of")
    assert (DOCS / "reference" / "performance.md").read_text(encoding="utf-8") == written
    assert "<!--" not in written, "a part is missing"


def test_the_chart_is_that_of_the_results():
    """Small, and legible on light pages and on dark ones."""
    written = written_by("chart_of")
    assert (DOCS / "reference" / "performance.svg").read_text(encoding="utf-8") == written
    assert len(written) < 10_000
    assert "prefers-color-scheme: dark" in written
    assert all(f">{name}</text>" in written for name in ("OmniDaemon", "faststream", "omnidaemon 0.1.1"))
