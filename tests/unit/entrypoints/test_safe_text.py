"""Text from elsewhere cannot drive the terminal."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnidaemon.entrypoints.safe_text import escaped_json, one_line, printable


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x9b2Jcleared", "cleared"),
        ("\x9d0;title\x9ctext", "text"),
        ("\x1bcreset", "reset"),
        ("beep\x07 back\x08 del\x7f nul\x00", "beep back del nul"),
        ("over\rwritten", "over\nwritten"),
        ("dos\r\nline", "dos\nline"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("tab\tand\nline stay", "tab\tand\nline stay"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
        ("grüße 你好 🎉", "grüße 你好 🎉"),
    ],
)
def test_sequences_and_controls_go_and_text_stays(hostile, harmless):
    """Escape sequences, control characters and what reorders text are removed; everything else is left."""
    assert printable(hostile) == harmless


@given(st.text())
def test_nothing_dangerous_is_left(text):
    """Whatever comes in, no control character but tab and line feed comes out."""
    assert not [
        char for char in printable(text) if (ord(char) < 32 and char not in "\t\n") or 0x7F <= ord(char) <= 0x9F
    ]


def test_an_unended_string_hides_no_text():
    """A sequence that never ends loses its opening only, so that nothing after it disappears."""
    assert printable("\x1b]0;the rest is long") == "0;the rest is long"


def test_a_flood_of_openings_costs_linear_time():
    """Sixteen times the text takes no more than some forty times as long."""

    def cost(text):
        begin = time.process_time()
        printable(text)
        return time.process_time() - begin

    short = min(cost("\x1b]" * 20_000) for _ in range(3))
    assert cost("\x1b]" * 320_000) < 40 * short + 0.05


def test_one_line_is_one_line_and_short():
    """Blanks of all kinds become one space; what is too long is cut."""
    assert one_line(" a\n\tb  c ") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"


@given(st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_escaped_json_is_the_same_value(value):
    """Escaping changes how JSON is written, not what it says."""
    text = escaped_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not [char for char in text if 0x7F <= ord(char) <= 0x9F]
