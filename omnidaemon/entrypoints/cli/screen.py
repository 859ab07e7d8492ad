"""Where answers go: pure JSON when asked for, tab-separated lines into a pipe, tables and panels on a terminal."""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from omnidaemon.entrypoints.cli.values import json_text
from omnidaemon.entrypoints.cli.views import Card, Cell, Lines, Table, Tick, View
from omnidaemon.entrypoints.safe_text import printable

Tell = Callable[[object, str], None]
"""Says how something fares that is waited for: a value that is another when there is something new, and the words."""


class Screen(ABC):
    """Shows one answer on stdout, in the form that suits who reads it."""

    @abstractmethod
    def show(self, data: object, *views: View) -> None:
        """Show an answer: `data` is its JSON-able form, `views` the one for people, top to bottom."""

    @abstractmethod
    def tell(self, data: object, tick: Tick) -> None:
        """Show one line of a stream, at once: `data` is its JSON-able form."""

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[Tell]:
        """While this lasts a person sees that something is waited for; what is told of it meanwhile gets a line on
        stderr whenever it is new."""
        _ = text
        yield _each_once()


def screen(*, as_json: bool) -> Screen:
    """The screen for this process's stdout."""
    if as_json:
        return JsonScreen()
    if not sys.stdout.isatty():
        return PlainScreen()
    from omnidaemon.entrypoints.cli.terminal import TerminalScreen

    return TerminalScreen()


def note(*lines: str) -> None:
    """Say something beside the answer: on stderr, so that a program that reads the answer never sees it."""
    for line in lines:
        sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def _each_once() -> Tell:
    last: object = None

    def tell(step: object, text: str) -> None:
        nonlocal last
        if text and step != last:
            note(text)
        last = step

    return tell


class JsonScreen(Screen):
    """The data alone."""

    def show(self, data: object, *views: View) -> None:  # noqa: ARG002 - JSON is all there is to say
        """Print the data as JSON."""
        sys.stdout.write(json_text(data, indent=2) + "\n")

    def tell(self, data: object, tick: Tick) -> None:  # noqa: ARG002 - as above
        """Print the data as one line of JSON."""
        sys.stdout.write(json_text(data) + "\n")
        sys.stdout.flush()


class PlainScreen(Screen):
    """For `grep`, `cut` and files: one thing a line, cells between tabs, times and durations in full. What counts
    something is named with its unit (`took_seconds`); a blank line lies between one thing and the next."""

    def __init__(self) -> None:
        self._has_told = False

    def show(self, data: object, *views: View) -> None:  # noqa: ARG002 - the same, in another form
        """Print the views as lines."""
        blocks = ["".join(f"{line}\n" for line in _plain_lines(view)) for view in views]
        sys.stdout.write("\n".join(filter(None, blocks)))

    def tell(self, data: object, tick: Tick) -> None:  # noqa: ARG002 - as above
        """Print the cells, after the names of their columns the first time."""
        labels, cells = zip(*tick.cells, strict=True)
        if not self._has_told:
            sys.stdout.write("\t".join(map(_label, labels, cells)).upper() + "\n")
            self._has_told = True
        sys.stdout.write(_row(cells) + "\n")
        sys.stdout.flush()


def _plain_lines(view: View) -> Iterator[str]:
    match view:
        case Table() if not view.rows:
            note(view.empty)
        case Table():
            first = view.rows[0]
            yield "\t".join(_label(column, cell).upper() for column, cell in zip(view.columns, first, strict=True))
            yield from (_row(row) for row in view.rows)
        case Card():
            body = [(view.body_label, view.body)] if view.body is not None else []
            for label, cell in (*view.fields, *body):
                yield from (f"{_label(label, cell)}\t{line}" for line in _lines(cell))
        case Lines():
            yield from (_cell(line) for line in view.lines)


def _row(cells: tuple[Cell, ...]) -> str:
    return "\t".join(map(_cell, cells))


def _label(name: str, cell: Cell) -> str:
    return f"{name}_{cell.unit}" if cell.unit else name


def _lines(cell: Cell) -> list[str]:
    return [line.replace("\t", " ") for line in cell.text.splitlines()] if cell.has_lines else [_cell(cell)]


def _cell(cell: Cell) -> str:
    return cell.text.replace("\t", " ").replace("\n", " ")
