"""One answer on three screens."""

from __future__ import annotations

import contextlib
import io
import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from omnidaemon.entrypoints.cli import views
from omnidaemon.entrypoints.cli.screen import JsonScreen, PlainScreen, note, screen
from omnidaemon.entrypoints.cli.terminal import TerminalScreen
from omnidaemon.entrypoints.cli.views import Card, Cell, Lines, Table, Tick

TABLE = Table(
    columns=("id", "text"),
    rows=[(Cell(text="1"), Cell(text="a\tb\nc")), (Cell(text="2"), Cell(text="whole", shown="short"))],
    empty="nothing here",
)
NO_FAILURE = {"failed": frozenset({"0"})}
CARD = Card(
    title="✓ done",
    body=Cell(text='{"reply": "Hello"}', shown="reply  Hello"),
    fields=(("agent", Cell(text="greeter")),),
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A colour terminal of 80 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


def on_terminal(*shown):
    """What a terminal gets for these views."""
    with contextlib.redirect_stdout(Terminal()) as stream:
        TerminalScreen().show({}, *shown)
    return stream.getvalue()


def test_json_is_the_data_alone(capsys):
    """Views are for people: the JSON screen prints the data and nothing else."""
    JsonScreen().show({"a": [1, None]}, TABLE, CARD)
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}


def test_a_pipe_gets_cells_between_tabs(capsys):
    """One row a line, with a head; tabs and line feeds inside a cell become spaces, and nothing is cut."""
    PlainScreen().show({}, TABLE)
    assert capsys.readouterr().out == "ID\tTEXT\n1\ta b c\n2\twhole\n"


def test_a_pipe_gets_a_card_line_by_line(capsys):
    """Each field is a line, and the body the last; a blank line lies before what follows."""
    PlainScreen().show({}, CARD, Lines.of("one", "two"))
    assert capsys.readouterr().out == 'agent\tgreeter\nresult\t{"reply": "Hello"}\n\none\ntwo\n'
    PlainScreen().show({}, Lines.of("one"), Table(columns=("id",), rows=[], empty="nothing here"))
    assert capsys.readouterr().out == "one\n"


def test_a_pipe_gets_units_and_whole_tracebacks(capsys):
    """What counts something names its unit, in a head and in a field; a text of several lines keeps them."""
    PlainScreen().show({}, Table(columns=("took",), rows=[(views.lasting(0.5),)], empty=""))
    card = Card(title="", body=Cell(text="a\n\tb", has_lines=True), fields=(("took", views.lasting(2.0)),))
    PlainScreen().show({}, card)
    assert capsys.readouterr().out == "TOOK_SECONDS\n0.5\ntook_seconds\t2\nresult\ta\nresult\t b\n"


def test_a_pipe_gets_nothing_for_an_empty_table(capsys):
    """That there is nothing is said beside the answer, where a program does not read."""
    PlainScreen().show([], Table(columns=("id",), rows=[], empty="nothing here"))
    assert capsys.readouterr() == ("", "nothing here\n")


def test_a_terminal_gets_frames_and_colour():
    """A table has a frame, a card its body first, and there is colour."""
    shown = on_terminal(TABLE, CARD, Table(columns=("id",), rows=[], empty="nothing here"))
    assert "╭" in shown
    assert "\x1b[" in shown
    assert shown.index("reply  Hello") < shown.index("greeter")
    assert "short" in shown
    assert "whole" not in shown
    assert "nothing here" in shown


def test_a_terminal_leaves_out_what_says_nothing():
    """A footer takes the place of fields, an optional column without news is gone; a pipe gets all of it."""
    table = Table(columns=("id", "failed"), rows=[(Cell(text="1"), Cell(text="0"))], empty="", optional=NO_FAILURE)
    card = Card(title="t", fields=(("agent", Cell(text="greeter")), ("tools", Cell(text=""))), footer="foot")
    shown = on_terminal(table, card)
    assert "failed" not in shown
    assert "greeter" not in shown
    assert "foot" in shown
    assert "tools" not in on_terminal(attrs.evolve(card, footer=""))


def test_a_terminal_cuts_the_wide_column_alone():
    """Ids stay whole for the next command, however long the text beside them is."""
    row = (Cell(text="0" * 36), Cell(text="word " * 50))
    shown = on_terminal(Table(columns=("id", "text"), rows=[row], empty="", wide="text"))
    assert "0" * 36 in shown
    assert "…" in shown
    assert len(shown.splitlines()) == 5


def test_a_narrow_terminal_gives_up_spare_columns(monkeypatch, capsys):
    """The first of the spare ones goes first, and only as many as have to; which they are is told beside."""
    row = (Cell(text="0" * 36), Cell(text="a" * 30), Cell(text="b" * 10), Cell(text=""))
    nothing_new = {"c": frozenset({""})}
    table = Table(columns=("id", "a", "b", "c"), rows=[row], empty="", spare=("a", "b", "c"), optional=nothing_new)
    shown = on_terminal(table)
    assert "aaa" not in shown
    assert "bbb" in shown
    assert capsys.readouterr().err == "no room here for a: a wider terminal, a pipe or --json has all columns\n"
    monkeypatch.setenv("COLUMNS", "100")
    assert "aaa" in on_terminal(table)
    on_terminal(attrs.evolve(table, rows=[]))
    assert capsys.readouterr().err == ""


def test_no_color_is_honoured(monkeypatch):
    """With NO_COLOR there is no colour, on a terminal too."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_terminal(Lines.of("red", style="red")) == "red\n"


def test_markup_is_text():
    """What looks like rich's markup, a link or an emoji code is shown as it is written."""
    hostile = "[red]x[/red] [link=http://evil]y[/link] :boom: [/]"
    shown = on_terminal(Lines.of(hostile), Card(title="[b]t[/b]", body=Cell(text="[b]body[/b]")))
    assert hostile in shown
    assert "[b]t[/b]" in shown
    assert "[b]body[/b]" in shown


def test_no_cell_carries_an_escape_sequence():
    """Cells, titles and lines are printable from the moment they are made."""
    hostile = "\x1b]0;t\x07a\x1b[31m"
    cells = [Cell(text=hostile), Cell(text="", shown=hostile), views.plain(hostile), *Lines.of(hostile).lines]
    assert [cell.for_people for cell in cells] == ["a"] * 4
    assert Card(title=hostile).title == "a"


def test_notes_go_to_stderr_and_are_printable(capsys):
    """What is said beside the answer leaves stdout alone."""
    note("one\x1b[2J", "two")
    assert capsys.readouterr() == ("", "one\ntwo\n")


def test_the_screen_fits_who_reads():
    """JSON when asked for, colour on a terminal, plain lines in a pipe."""
    with contextlib.redirect_stdout(Terminal()):
        assert isinstance(screen(as_json=True), JsonScreen)
        assert isinstance(screen(as_json=False), TerminalScreen)
    with contextlib.redirect_stdout(io.StringIO()):
        assert isinstance(screen(as_json=False), PlainScreen)


def test_times_are_exact_for_programs_and_relative_for_people():
    """A time is ISO 8601 in a pipe and `3 s ago` on a terminal; a missing one is empty."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    cell = views.when(now - timedelta(seconds=3), now)
    assert (cell.text, cell.for_people) == ("2029-12-31T23:59:57+00:00", "3 s ago")
    assert (views.when(None).text, views.when(None).for_people) == ("", "-")
    assert (views.lasting(0.0125).text, views.lasting(0.0125).for_people) == ("0.0125", "12 ms")
    assert (views.lasting(None).text, views.lasting(None).for_people) == ("", "-")


def tick(number, text):
    """One line of a stream; nobody says its number aloud."""
    return Tick(
        cells=(("number", Cell(text=str(number))), ("event", Cell(text=text, style="green")), ("task", Cell(text="t"))),
        spoken=frozenset({"event", "task"}),
    )


def test_a_stream_is_one_line_for_each_thing(capsys):
    """At once, on every screen; a pipe gets the names of the columns first, JSON one object a line."""
    plain, as_json = PlainScreen(), JsonScreen()
    for number, text in enumerate(("a\tb", "c")):
        plain.tell({}, tick(number, text))
    assert capsys.readouterr().out == "NUMBER\tEVENT\tTASK\n0\ta b\tt\n1\tc\tt\n"
    for number in range(2):
        as_json.tell({"number": number}, tick(number, "a"))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"number": 0}, {"number": 1}]


def test_a_stream_on_a_terminal_keeps_its_columns(monkeypatch):
    """A column is as wide as its widest cell so far, and a line is never broken."""
    monkeypatch.setenv("NO_COLOR", "1")
    with contextlib.redirect_stdout(Terminal()) as stream:
        terminal = TerminalScreen()
        for text in ("published", "dead", "[red]" * 30):
            terminal.tell({}, tick(1, text))
    shown = stream.getvalue().splitlines()
    assert shown[:2] == ["published  t", "dead       t"]
    assert len(shown) == 3
    assert shown[2].startswith("[red][red]")
    assert len(shown[2]) == 80


def test_a_long_line_of_a_stream_shortens_what_may_be(monkeypatch):
    """An id gives way to the error beside it, and stays whole where there is room."""
    monkeypatch.setenv("NO_COLOR", "1")
    with contextlib.redirect_stdout(Terminal()) as stream:
        terminal = TerminalScreen()
        for error in ("KeyError: 'name'", "ValueError: the invoice has no lines, so there is nothing to split"):
            cells = (("task", Cell(text="0" * 36)), ("detail", Cell(text=error)))
            terminal.tell({}, Tick(cells=cells, spoken=frozenset({"task", "detail"}), shortened={"task": "…00000000"}))
    assert stream.getvalue().splitlines() == [
        f"{'0' * 36}  KeyError: 'name'",
        "…00000000  ValueError: the invoice has no lines, so there is nothing to split",
    ]
