"""Tables and panels in colour, by rich. No text is ever read as markup: all of it goes in as `Text`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from omnidaemon.entrypoints.cli.screen import Screen
from omnidaemon.entrypoints.cli.views import Card, Cell, Lines, Table, View


class TerminalScreen(Screen):
    """For people. NO_COLOR and a dumb terminal are honoured by rich."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._errors = Console(stderr=True, markup=False, highlight=False, emoji=False)

    def show(self, data: object, *views: View) -> None:  # noqa: ARG002 - the same, in another form
        """Print the views in colour."""
        for view in views:
            self._console.print(_rendered(view))

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner on stderr, gone when it is over."""
        with self._errors.status(Text(text, style="dim")):
            yield


def _rendered(view: View) -> RenderableType:
    match view:
        case Table() if not view.rows:
            return Text(view.empty, style="dim")
        case Table():
            return _table(view)
        case Card():
            return _card(view)
        case Lines():
            return Text("\n").join(map(_text, view.lines))


def _table(view: Table) -> RichTable:
    table = RichTable(title=view.title or None, box=box.ROUNDED, border_style="dim", title_justify="left")
    for column in view.columns:
        is_wide = column == view.wide
        table.add_column(
            Text(column),
            header_style="bold",
            no_wrap=column in _WHOLE,
            overflow="ellipsis" if is_wide else "fold",
            ratio=1 if is_wide else None,
        )
    for row in view.rows:
        table.add_row(*map(_text, row))
    return table


# Columns whose cells are copied into the next command, so that they should stay in one piece.
_WHOLE = frozenset({"id", "status", "created", "took"})


def _card(view: Card) -> Panel:
    parts: list[RenderableType] = []
    if view.body is not None and view.body.for_people:
        parts.append(_text(view.body))
    if view.fields:
        grid = RichTable.grid(padding=(0, 2))
        for label, cell in view.fields:
            grid.add_row(Text(label, style="dim"), _text(cell))
        if parts:
            parts.append(Text(""))
        parts.append(grid)
    return Panel(
        Group(*parts), title=Text(f" {view.title} "), title_align="left", border_style=view.style, expand=False
    )


def _text(cell: Cell) -> Text:
    return Text(cell.for_people, style=cell.style)
