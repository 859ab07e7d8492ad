"""What is switched off says why: each comment that silences a checker, and each test that is passed over."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("omnidaemon", "tests", "benchmarks", "examples")

_SUPPRESSION = re.compile(
    r"# *(?:(?:ruff|flake8): *)?noqa|# *(?:type: *ignore|pyright:|mypy:|pragma: *no)", re.IGNORECASE
)
_REASONED = re.compile(
    r"# (?:ruff: )?noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)* - \S.*"
    r"|# (?:type|pyright): ignore\[[\w-]+(?:, [\w-]+)*\]  # \S.*"
    r"|# pragma: no (?:cover|branch) - \S.*"
)
_SKIPS = {"skip": 0, "skipif": None, "xfail": None, "importorskip": None}
"""pytest's ways to pass a test over, each with the place of a reason that is not named."""


def sources() -> list[Path]:
    """All files of the repository's own that Python reads."""
    return sorted(path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*.py"))


def unexplained_suppressions(text: str) -> Iterator[tuple[int, str]]:
    """The comments that silence a checker without the exact code or without a reason, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        found = _SUPPRESSION.search(token.string) if token.type == tokenize.COMMENT else None
        if found and not _REASONED.fullmatch(token.string, found.start()):
            yield token.start[0], token.string


def unexplained_skips(text: str) -> Iterator[tuple[int, str]]:
    """The marks and calls that pass a test over without a reason, each with its line."""
    tree = ast.parse(text)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _SKIPS and ast.unparse(node).startswith("pytest."):
            call, place = calls.get(id(node)), _SKIPS[node.attr]
            has_reason = call is not None and (
                any(keyword.arg == "reason" for keyword in call.keywords)
                or (place is not None and len(call.args) > place)
            )
            if not has_reason:
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("unexplained", [unexplained_suppressions, unexplained_skips])
def test_what_is_switched_off_says_why(unexplained) -> None:
    """A checker's comment takes the exact code and a reason, a test that is passed over takes a reason."""
    found = [
        f"{path.relative_to(_ROOT)}:{line}: {what}"
        for path in sources()
        for line, what in unexplained(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S105",
        "x = 1  # NOQA:S105",
        "x = f()  # type: ignore",
        "x = f()  # type: ignore[arg-type]",
        "x = f()  # why  # type: ignore[arg-type]",
        "# ruff: noqa: D102",
        "# pyright: basic",
        "def f(): ...  # pragma: no cover",
    ],
)
def test_a_comment_without_code_or_reason_is_found(line: str) -> None:
    """In all the forms that checkers read."""
    assert [number for number, _ in unexplained_suppressions(f"{line}\n")] == [1]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("pytest.skip()", True),
        ("pytest.skip('no server')", False),
        ("mark = pytest.mark.skip", True),
        ("mark = pytest.mark.skipif(True)", True),
        ("mark = pytest.mark.skipif(True, reason='no flock')", False),
        ("mark = pytest.mark.xfail(strict=True)", True),
        ("x = pytest.importorskip('x')", True),
    ],
)
def test_a_skip_without_reason_is_found(line: str, is_found) -> None:
    """Whether called or used as a mark."""
    assert bool(list(unexplained_skips(line))) is is_found
