"""The commands and the imports on the pages exist, also where no test runs them."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from omnidaemon.entrypoints.cli.api_options import taken_from
from omnidaemon.entrypoints.cli.app import build_app
from tests.unit.docs.pages import PAGES, ROOT, blocks

_ENDS = {"|", "&&", ";", ">", "2>&1", "&"}
_PATTERN = re.compile(r"[\[\]…|(<]")
"""In a word of running text, it stands for several commands."""


def commands(page: Path) -> Iterator[str]:
    """Each call of `omni` in a shell block, and in running text those that are written out."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in {"sh", "console"}:
            for line in block.text.splitlines():
                yield from re.findall(r"^(?:\$ )?(?:\w+=\S+ )*(omni .*)", line)
                yield from re.findall(r"\$\((omni [^)|]*)", line)
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (found for found in re.findall(r"`(omni [a-z-][^`]*)`", without_blocks) if not _PATTERN.search(found))


def words(command: str) -> list[str]:
    """Its words up to a pipe, a redirection or a comment."""
    found = shlex.split(command, comments=True)[1:]
    return found[: next((at for at, word in enumerate(found) if word in _ENDS or word.startswith(">")), len(found))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_commands(page):
    """Each can be read by the command line: it is there, and so are its options. Prose may leave arguments out."""
    app = build_app()
    for command in commands(page):
        with taken_from(words(command)) as given, contextlib.suppress(MissingArgumentError):
            app.parse_args(given, print_error=False, exit_on_error=False)


def test_many_commands_are_found():
    """On the main pages too."""
    found = {page.name: list(commands(page)) for page in PAGES}
    assert sum(map(len, found.values())) > 100
    assert "omni dlq purge invoice.created --all --yes" in found["dead-letters.md"]
    assert "omni task result $id --wait" in found["first-agent.md"]


@pytest.mark.parametrize(
    "command", ["omni task publsh x 1", "omni dlq list --al", "omni agent remove a b --heir c", "omni nothing"]
)
def test_what_is_none_is_found(command):
    """A misspelt command, an option that is not there."""
    with pytest.raises(CycloptsError):
        build_app().parse_args(words(command), print_error=False, exit_on_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_imports_are_there(page):
    """What a Python block imports of OmniDaemon."""
    for block in blocks(page):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "omnidaemon":
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}:{block.line}: {node.module} has no {alias.name}"
