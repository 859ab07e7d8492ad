"""Payloads and results as a person reads them."""

from __future__ import annotations

import json

import pytest

from omnidaemon.entrypoints.cli.values import json_text, readable, reason, summary


@pytest.mark.parametrize(
    ("value", "for_programs", "for_people"),
    [
        ({"reply": "Hello, Alice!"}, '{"reply": "Hello, Alice!"}', "reply  Hello, Alice!"),
        ("Hello", "Hello", "Hello"),
        ("two\nlines", '"two\\nlines"', "two\nlines"),
        ({"a": 1, "long": None}, '{"a": 1, "long": null}', "a     1\nlong  null"),
        ({"a": [1]}, '{"a": [1]}', '{\n  "a": [\n    1\n  ]\n}'),
        ({"a": "x\ny"}, '{"a": "x\\ny"}', "a  x\n   y"),
        ({}, "{}", "{}"),
        (None, "null", "null"),
        (True, "true", "true"),
        ("grüße", "grüße", "grüße"),
    ],
)
def test_a_value_is_one_line_for_programs_and_laid_out_for_people(value, for_programs, for_people):
    """Text stands as it is, a flat object line by line; programs get JSON where text would break the line."""
    assert (readable(value).text, readable(value).for_people) == (for_programs, for_people)


def test_hostile_values_are_harmless():
    """Neither keys nor values bring escape sequences along; as JSON they stay the same value."""
    value = {"\x1b[2Jkey": "\x1b]0;t\x07v\x9b31m"}
    assert "\x1b" not in readable(value).for_people
    assert json.loads(json_text(value)) == value
    assert "\x9b" not in json_text(value)


def test_a_summary_is_cut_for_people_only():
    """Programs get all of it on one line, people the beginning."""
    cell = summary("word " * 100)
    assert len(cell.for_people) == 60
    assert cell.text == ("word " * 100).strip()
    assert summary(None).text == ""
    assert summary({"a": 1}).text == '{"a": 1}'


def test_a_reason_is_a_line_of_bounded_length():
    """Of a novel programs get more than people, and nobody all: `show` has the rest."""
    cell = reason("ValueError: at first\n" + "and then " * 200)
    assert cell.text.startswith("ValueError: at first and then and then")
    assert (len(cell.text), cell.text[-1]) == (300, "…")
    assert (len(cell.for_people), cell.for_people[-1]) == (60, "…")
    assert reason("KeyError: 'name'").text == "KeyError: 'name'"
    assert reason(None).text == ""
