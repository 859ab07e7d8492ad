"""What is wrong with a request is told in the words of who sent it."""

from __future__ import annotations

import json

import pytest

from tests.unit.entrypoints.http.conftest import problem

TASK = {"topic": "greet.user", "payload": 1}
NAME = "expected a name: 1 to 200 of the characters A-Z a-z 0-9 . _ -"
# How pydantic says it; none of that is anybody's business who calls.
FOREIGN = ("Input should", "String should", "Value error", "Field required", "Extra inputs", "List should", "pattern")
FOREIGN_PLACES = ("constrained", "none", "enum[", "[key]", "function-")


def checked(response, *flaws):
    """The flaws are these, and stand in the message too."""
    told = problem(response, 422, "InvalidInput")
    assert [(flaw["where"], flaw["message"]) for flaw in told["errors"]] == list(flaws)
    assert told["detail"] == "; ".join(f"{where}: {message}" for where, message in flaws[:3])
    for flaw in told["errors"]:
        assert not [words for words in FOREIGN if words in flaw["message"]]
        assert not [words for words in FOREIGN_PLACES if words in flaw["where"]]


@pytest.mark.parametrize(
    ("body", "flaws"),
    [
        ([], [("body", "expected an object")]),
        ({}, [("body.topic", "missing"), ("body.payload", "missing")]),
        ({"topic": "a b"}, [("body.topic", NAME)]),
        ({"topic": 5}, [("body.topic", "expected a text")]),
        ({"toppic": 1}, [("body.toppic", "not known here")]),
        ({"delay": "5"}, [("body.delay", "expected a number")]),
        ({"delay": -1}, [("body.delay", "expected a number of at least 0")]),
        ({"delay": 1e11}, [("body.delay", "expected a number of at most 10,000,000,000")]),
        ({"due_at": 5}, [("body.due_at", "expected a text such as 2030-01-31T12:00:00Z")]),
        ({"due_at": "soon"}, [("body.due_at", "expected a time in ISO 8601 such as 2030-01-31T12:00:00Z")]),
        (
            {"due_at": "2030-01-31T12:00:00"},
            [("body.due_at", "expected a time with its zone, such as 2030-01-31T12:00:00Z")],
        ),
        ({"idempotency_key": ""}, [("body.idempotency_key", "expected a text with a length of at least 1")]),
        ({"headers": []}, [("body.headers", "expected an object")]),
        ({"headers": {"a b": "c"}}, [("body.headers.a b", NAME)]),
        ({"headers": {"a": "x" * 1001}}, [("body.headers.a", "expected a text with a length of at most 1000")]),
        ({"topic": "\ud800"}, [("body.topic", "expected a text that UTF-8 can carry")]),
    ],
)
async def test_a_body(api, body, flaws):
    """Each flaw with its place, and what was expected there."""
    sent = {**TASK, **body} if body else body
    response = await api.post("/tasks", content=json.dumps(sent), headers={"Content-Type": "application/json"})
    checked(response, *flaws)


async def test_no_body(api):
    checked(await api.post("/tasks"), ("body", "missing: send a JSON object"))


@pytest.mark.parametrize(
    ("path", "flaw"),
    [
        ("/tasks?limit=0", ("query.limit", "expected a number of at least 1")),
        ("/tasks?limit=x", ("query.limit", "expected a whole number")),
        ("/tasks?topic=a%20b", ("query.topic", NAME)),
        ("/tasks?cursor=x", ("query.cursor", "expected the cursor of an earlier answer")),
        ("/tasks/x?wait=nan", ("query.wait", "expected a finite number")),
        ("/tasks/x?wait=61", ("query.wait", "expected a number of at most 60")),
        ("/events?after=x", ("query.after", "expected a whole number")),
        (f"/events?after={2**63}", ("query.after", f"expected a number below {2**63:,}")),
        ("/agents/a%20b/c", ("path.topic", NAME)),
    ],
)
async def test_a_query_or_a_path(api, path, flaw):
    """A parameter that may be left out has one flaw, whatever its type is made of."""
    checked(await api.get(path), flaw)


async def test_one_of_several(api):
    """All that there are."""
    (flaw,) = problem(await api.get("/tasks?status=nope"), 422, "InvalidInput")["errors"]
    assert flaw["where"] == "query.status"
    assert flaw["message"].startswith("expected one of 'scheduled', 'queued', ")


async def test_a_header_and_a_flag(api):
    checked(
        await api.get("/events", headers={"Last-Event-ID": "x"}), ("header.Last-Event-ID", "expected a whole number")
    )
    checked(await api.delete("/tasks/x?only_dead=maybe"), ("query.only_dead", "expected true or false"))


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        ({"all": "yes"}, ("body.all", "expected true or false")),
        ({"task_ids": [1]}, ("body.task_ids.0", "expected a text")),
        ({"task_ids": "x"}, ("body.task_ids", "expected a list")),
        ({"task_ids": ["x"] * 1001}, ("body.task_ids", "expected at most 1000 of them")),
        ({"all": True, "limit": 1.5}, ("body.limit", "expected a whole number")),
    ],
)
async def test_dead_letters(api, body, flaw):
    checked(await api.post("/dead-letters/purge", json={"topic": "fails", **body}), flaw)
