"""Tables and panels in colour, by rich. No text is ever read as markup: all of it goes in as `Text`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from omnidaemon.entrypoints.cli.screen import Screen, Tell, note
from omnidaemon.entrypoints.cli.views import Card, Cell, Lines, Table, Tick, View
from omnidaemon.entrypoints.safe_text import printable


class TerminalScreen(Screen):
    """For people. NO_COLOR and a dumb terminal are honoured by rich."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._widths: dict[str, int] = {}
        self._errors = Console(stderr=True, markup=False, highlight=False, emoji=False)

    def show(self, data: object, *views: View) -> None:  # noqa: ARG002 - the same, in another form
        """Print the views in colour."""
        for view in views:
            self._console.print(_rendered(view, self._console.width))
            if left_out := _left_out(view, self._console.width):
                # Beside the answer: it is about the terminal, and a program never meets it.
                note(f"no room here for {', '.join(left_out)}: a wider terminal, a pipe or --json has all columns")

    def tell(self, data: object, tick: Tick) -> None:  # noqa: ARG002 - the same, in another form
        """Print one line, each cell as wide as the widest of its column so far; in a line that is too long some are
        shortened, and have the room that they need."""
        cells = {column: cell for column, cell in tick.cells if column in tick.spoken}
        line = Text(no_wrap=True, overflow="ellipsis")
        for column, cell in cells.items():
            self._append(line, column, cell)
        if line.cell_len > self._console.width and tick.shortened:
            line = Text(no_wrap=True, overflow="ellipsis")
            for column, cell in cells.items():
                if column in tick.shortened:
                    line.append(f"{tick.shortened[column]}  ", style=cell.style)
                else:
                    self._append(line, column, cell)
        line.rstrip()
        self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)

    def _append(self, line: Text, column: str, cell: Cell) -> None:
        width = min(cell_len(cell.for_people), _MOST_OF_A_CELL)
        self._widths[column] = max(self._widths.get(column, 0), width)
        line.append(cell.for_people, style=cell.style)
        line.append(" " * (self._widths[column] - width + 2))

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[Tell]:
        """A spinner on stderr, gone when it is over; what is told meanwhile takes the place of the words beside it, but
        for those after a semicolon, which say what one can do."""
        if not self._errors.is_terminal:
            with super().waiting(text) as tell:
                yield tell
            return
        first, _, rest = text.partition("; ")
        with self._errors.status(self._waiting_line(first, rest)) as status:
            yield lambda _, told: status.update(self._waiting_line(printable(told) or first, rest))

    def _waiting_line(self, *words: str) -> Text:
        line = Text(" · ".join(filter(None, words)), style="dim")
        line.truncate(self._errors.width - _SPINNER_WIDTH, overflow="ellipsis")
        return line


def _rendered(view: View, width: int) -> RenderableType:
    match view:
        case Table() if not view.rows:
            return Text(view.empty, style="dim")
        case Table() if view.cards:
            return Group(*map(_card, view.cards))
        case Table():
            return _table(view, width)
        case Card():
            return _card(view)
        case Lines():
            return Text("\n").join([_text(line) for line in view.lines])


def _table(view: Table, width: int) -> RichTable:
    table = RichTable(title=view.title or None, box=box.ROUNDED, border_style="dim", title_justify="left")
    shown, _, has_room = _fitted(view, width)
    for column in shown:
        is_whole = column in _WHOLE or (has_room and column != view.wide)
        table.add_column(Text(column), header_style="bold", no_wrap=is_whole, overflow="fold")
    for row in view.rows:
        cells = dict(zip(view.columns, row, strict=True))
        table.add_row(*(_text(cells[column], is_cut=column == view.wide) for column in shown))
    return table


# What is copied into the next command stays in one piece; so does what is read at a glance.
_WHOLE = frozenset({"id", "status"})
_LEAST_OF_WIDE = 12
_MOST_OF_A_CELL = 30
_SPINNER_WIDTH = 2


def _left_out(view: View, width: int) -> list[str]:
    """The columns that say something, and that there is no room for."""
    return _fitted(view, width)[1] if isinstance(view, Table) and view.rows and not view.cards else []


def _fitted(view: Table, width: int) -> tuple[list[str], list[str], bool]:
    """The columns that say something: those that there is room for, and those that gave way; and whether there is room
    now, when the wide one is cut."""
    cells = dict(zip(view.columns, zip(*view.rows, strict=True), strict=True))
    shown = [
        column
        for column in view.columns
        if not {cell.text for cell in cells[column]} <= view.optional.get(column, set())
    ]
    needed = {column: max(cell_len(column), *(cell_len(cell.for_people) for cell in cells[column])) for column in shown}
    if view.wide in needed:
        needed[view.wide] = min(needed[view.wide], _LEAST_OF_WIDE)

    def has_room() -> bool:
        return sum(needed.values()) + 3 * len(needed) + 1 <= width

    for column in view.spare:
        if has_room():
            break
        needed.pop(column, None)
    return list(needed), [column for column in shown if column not in needed], has_room()


def _card(view: Card) -> Panel:
    body = [_text(view.body)] if view.body is not None and view.body.for_people else []
    rest = _rest(view)
    gap = [Text("")] if body and rest else []
    return Panel(
        Group(*body, *gap, *rest),
        title=Text(f" {view.title} "),
        title_align="left",
        border_style=view.style,
        expand=False,
    )


def _rest(view: Card) -> list[RenderableType]:
    if view.footer:
        return [Text(view.footer, style="dim")]
    fields = [(label, cell) for label, cell in view.fields if cell.for_people]
    if not fields:
        return []
    grid = RichTable.grid(padding=(0, 2))
    for label, cell in fields:
        grid.add_row(Text(label, style="dim"), _text(cell))
    return [grid]


def _text(cell: Cell, *, is_cut: bool = False) -> Text:
    text = Text(cell.for_people, style=cell.style)
    if is_cut:
        text.no_wrap, text.overflow = True, "ellipsis"
    return text
