"""What can be shown: tables, cards and lines, as values that know nothing of terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import attrs

from omnidaemon.domain.durations import duration_text, plain_number
from omnidaemon.entrypoints.safe_text import one_line, printable
from omnidaemon.entrypoints.time_texts import due_text, relative_time


@attrs.frozen(kw_only=True)
class Cell:
    """One value. `text` is what a program reads; `shown`, where it differs, what a person does. Both are printable.

    `unit` is what the text counts, so that a pipe can name it; of a `has_lines` a pipe gets each line by itself.
    """

    text: str = attrs.field(converter=printable)
    shown: str | None = attrs.field(default=None, converter=attrs.converters.optional(printable))
    style: str = ""
    unit: str = ""
    has_lines: bool = False

    @property
    def for_people(self) -> str:
        """What stands on a terminal."""
        return self.text if self.shown is None else self.shown


@attrs.frozen(kw_only=True)
class Table:
    """Rows under columns. `empty` is said when there are none.

    For people alone: the column `wide` is cut to fit; a column of `optional` is left out when all of its cells say one
    of the texts named there, so that they say nothing new; those of `spare` are given up, the first one first, as long
    as the terminal is too narrow. Where there are `cards`, these stand in place of the rows.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str
    title: str = ""
    wide: str = ""
    spare: tuple[str, ...] = ()
    optional: Mapping[str, frozenset[str]] = MappingProxyType({})
    cards: Sequence[Card] = ()


@attrs.frozen(kw_only=True)
class Card:
    """One thing: what matters most in `body`, the rest as labelled fields; for people, where there is one, a `footer`
    in their place."""

    title: str = attrs.field(converter=one_line)
    style: str = "cyan"
    body: Cell | None = None
    body_label: str = "result"
    fields: tuple[tuple[str, Cell], ...] = ()
    footer: str = attrs.field(default="", converter=printable)


@attrs.frozen(kw_only=True)
class Lines:
    """Some sentences, one a line."""

    lines: tuple[Cell, ...]

    @classmethod
    def of(cls, *texts: str, style: str = "") -> Lines:
        """Lines of these texts."""
        return cls(lines=tuple(Cell(text=text, style=style) for text in texts))


@attrs.frozen(kw_only=True)
class Tick:
    """One line of a stream that goes on: its cells, each under the name of its column; for people those of `spoken`
    alone, and of those in `shortened` what stands there where the line is too long for the terminal."""

    cells: tuple[tuple[str, Cell], ...]
    spoken: frozenset[str]
    shortened: Mapping[str, str] = MappingProxyType({})


View = Table | Card | Lines


# --- cells of the usual kinds -----------------------------------------------------------------------------------------

STATUS_STYLES = {
    "succeeded": "green",
    "running": "cyan",
    "alive": "green",
    "ok": "green",
    "queued": "blue",
    "scheduled": "blue",
    "waiting": "magenta",
    "retrying": "yellow",
    "degraded": "yellow",
    "draining": "yellow",
    "stopped": "yellow",
    "unmanned": "yellow",
    "skipped": "yellow",
    "cancelled": "yellow",
    "dead": "bold red",
    "lost": "red",
    "unavailable": "bold red",
}


def plain(value: object) -> Cell:
    """Any value as its text; nothing for None."""
    return Cell(text="" if value is None else str(value))


def status(value: str) -> Cell:
    """A status in its colour."""
    return Cell(text=value, style=STATUS_STYLES.get(value, ""))


def when(at: datetime | None, now: datetime | None = None) -> Cell:
    """A time: ISO for programs, relative for people."""
    if at is None:
        return Cell(text="", shown="-", style="dim")
    return Cell(text=at.isoformat(), shown=relative_time(at, now or datetime.now(UTC)), style="dim")


def due(at: datetime | None) -> Cell:
    """A time that is waited for, nothing for None: ISO for programs, how long it is until then for people."""
    if at is None:
        return Cell(text="")
    return Cell(text=at.isoformat(), shown=due_text(at, datetime.now(UTC)), style="yellow")


def exactly(at: datetime) -> Cell:
    """A time by the clock, for people too: what happened within a second can be told apart."""
    utc = at.astimezone(UTC)
    return Cell(text=at.isoformat(), shown=f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03}Z", style="dim")


def by_the_clock(at: datetime) -> Cell:
    """A time of today: by this machine's clock for people."""
    local = at.astimezone()
    return Cell(text=at.isoformat(), shown=f"{local:%H:%M:%S}.{local.microsecond // 1000:03}", style="dim")


def lasting(seconds: float | None) -> Cell:
    """A duration: seconds for programs, in fitting units for people."""
    if seconds is None:
        return Cell(text="", shown="-", style="dim", unit="seconds")
    return Cell(text=plain_number(seconds), shown=duration_text(seconds), unit="seconds")


def count(number: int, style: str = "") -> Cell:
    """A number, quiet when it is zero."""
    return Cell(text=str(number), style=style if number else "dim")


def maybe_count(number: int | None, style: str = "") -> Cell:
    """A number that may not be known: nothing for programs then."""
    return Cell(text="", shown="-", style="dim") if number is None else count(number, style)
