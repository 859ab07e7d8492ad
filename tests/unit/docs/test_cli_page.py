"""The page on the command line, against the commands."""

from __future__ import annotations

from omnidaemon.entrypoints.cli.app import build_app
from tests.unit.docs.cli_page import MARK, PAGE, commands, rendered
from tests.unit.docs.pages import ROOT


def test_page_lists_every_command():
    """The list is the one that the commands give; `python -m tests.unit.docs.cli_page` brings it up to date."""
    _, _, told = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert told.strip() == rendered().strip()


def test_readme_names_every_group():
    """Each first word of a command stands in the README's table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## The command line")[2].partition("## ")[0]
    for chain, _ in commands(build_app()):
        assert chain[1] in section, chain
        assert len(chain) == 2 or chain[2] in section, chain
