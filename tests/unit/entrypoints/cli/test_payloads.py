"""Payloads from the command line, a file and standard input."""

from __future__ import annotations

import io
import sys

import pytest

from omnidaemon.domain.errors import InvalidInput, InvalidValue
from omnidaemon.entrypoints.cli.payloads import BrokenJson, read_payload


def as_stdin(raw, monkeypatch):
    """Put bytes on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))


@pytest.mark.parametrize(("text", "value"), [('{"a": 1}', {"a": 1}), ("-5", -5), ("null", None), ('"x"', "x")])
def test_any_json_value_is_a_payload(text, value):
    """Objects, numbers, text and null alike."""
    assert read_payload(text) == value


def test_a_file_is_read(tmp_path):
    """@FILE is the JSON in it, with or without a byte order mark."""
    file = tmp_path / "payload.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xbc"}')
    assert read_payload(f"@{file}") == {"a": "ü"}


def test_standard_input_is_read(monkeypatch):
    """- is the JSON on standard input."""
    as_stdin(b"[1, 2]", monkeypatch)
    assert read_payload("-") == [1, 2]


def test_broken_json_says_where_and_how_to_quote():
    """Line, column, the place itself, and the usual cause on a shell."""
    with pytest.raises(BrokenJson) as caught:
        read_payload("{name:Alice}")
    assert (caught.value.line, caught.value.column) == (1, 2)
    assert str(caught.value).endswith("line 1, column 2")
    assert caught.value.excerpt == "\n      {name:Alice}\n       ^"
    assert "quote the whole payload" in caught.value.advice


def test_broken_json_in_a_file_names_the_file(tmp_path):
    """The line counts within the file, and nothing is said about quoting."""
    file = tmp_path / "payload.json"
    file.write_text('{\n  "a": 1,\n}')
    with pytest.raises(BrokenJson, match=r"payload\.json is not JSON.*line 3, column 1") as caught:
        read_payload(f"@{file}")
    assert caught.value.advice == ""


def test_the_caret_stays_under_the_mistake_in_a_long_line():
    """Of a long line the part around the mistake is shown."""
    text = '{"a": "' + "x" * 300 + '" oops}'
    with pytest.raises(BrokenJson) as caught:
        read_payload(text)
    line, caret = caught.value.excerpt.split("\n")[1:]
    assert line[caret.index("^")] == "o"
    assert len(line) < 90


def test_an_empty_standard_input_is_said_to_be_empty(monkeypatch):
    """Nothing is not JSON, and is called nothing."""
    as_stdin(b"\n", monkeypatch)
    with pytest.raises(BrokenJson, match="standard input is not JSON: there is nothing"):
        read_payload("-")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "@/no/such/file", "[" * 100_000])
def test_what_is_no_payload_is_invalid_input(text):
    """Numbers that JSON lacks, files that are not there, and nesting without end are refused."""
    with pytest.raises(InvalidInput):
        read_payload(text)


def test_bytes_that_are_no_text_are_refused(monkeypatch):
    """Input in another encoding is named as such, with the first wrong byte."""
    as_stdin(b'"\xff"', monkeypatch)
    with pytest.raises(InvalidValue, match=r"^standard input is no text in UTF-8 \(byte 1\), expected JSON"):
        read_payload("-")
