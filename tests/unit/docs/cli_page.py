"""The list of commands in the reference, made from the commands: `python -m tests.unit.docs.cli_page` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from cyclopts import App

from omnidaemon.entrypoints.cli.app import build_app
from tests.unit.docs.pages import DOCS

PAGE = DOCS / "reference" / "cli.md"
MARK = "<!-- From here on made from the code by `python -m tests.unit.docs.cli_page`. -->\n"


def commands(app: App, chain: tuple[str, ...] = ("omni",)) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command that does something, in the order of the tree, with the words that lead to it."""
    for name in app:
        sub = app[name]
        if name.startswith("-"):
            continue
        if any(not inner.startswith("-") for inner in sub):
            yield from commands(sub, (*chain, name))
        else:
            yield (*chain, name), sub


def rendered() -> str:
    """All commands with their arguments and options, as they stand on the page."""
    return "\n".join(_command(chain, app) for chain, app in commands(build_app()))


def _command(chain: tuple[str, ...], app: App) -> str:
    usage, rows = [*chain], []
    for argument in app.assemble_argument_collection():
        if not argument.show:
            continue
        name = argument.names[0]
        if argument.field_info.kind is argument.field_info.VAR_POSITIONAL:
            name = f"[{name.removesuffix('S')}…]"
        elif argument.field_info.is_positional_only:
            name = name if argument.required else f"[{name}]"
        if not argument.field_info.is_keyword_only:
            usage.append(name)
        default = argument.field_info.default
        tail = f" (default {default})" if argument.parameter.show_default else ""
        rows.append(f"| `{name.strip('[]')}` | {argument.parameter.help}{tail} |")
    table = "\n".join(["| | |", "|---|---|", *rows]) + "\n" if rows else ""
    return f"### `{' '.join(usage)}`\n\n{app.help}\n\n{table}"


def main() -> None:
    """Write the page's list anew."""
    own, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{own}{MARK}\n{rendered()}", encoding="utf-8")


if __name__ == "__main__":
    main()
