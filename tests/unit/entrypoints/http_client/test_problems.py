"""Errors on their way through the API: the same type with the same message on the other side."""

from __future__ import annotations

import inspect
import json

import attrs
import pytest

from omnidaemon import errors
from omnidaemon.domain.errors import BackendUnusable, Conflict, InvalidInput, NotFound, OmniDaemonError, TaskNotFound
from omnidaemon.entrypoints.http import request_errors
from omnidaemon.entrypoints.http.problems import MEDIA_TYPE, problem_of
from omnidaemon.entrypoints.http_client import problems
from omnidaemon.entrypoints.http_client.problems import error_of

SAMPLES = {
    "agent": "greeter",
    "size_bytes": 9,
    "limit_bytes": 3,
    "running": 2,
    "timeout_seconds": 1.5,
    "is_given": True,
}


def sample(kind):
    """An error of this kind, with something in each of its attributes."""
    if not attrs.has(kind):
        return kind("what happened") if kind.__str__ is BaseException.__str__ else kind()
    return kind(**{field.name: SAMPLES.get(field.name, f"some {field.name}") for field in attrs.fields(kind)})


KINDS = sorted(
    {
        kind
        for module in (errors, request_errors)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, OmniDaemonError)
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_itself_again(kind):
    """All that the server can raise, by its own table, and back by the inverse one."""
    error = sample(kind)
    answer = problem_of(error)
    again = error_of(json.loads(bytes(answer.body)), answer.status_code, "http://here")
    if kind is NotFound:  # nobody raises it bare but the server itself, for a path that it has not
        assert isinstance(again, BackendUnusable)
        return
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.is_transient == error.is_transient


def test_both_sides_mean_the_same_form():
    """One media type."""
    assert problems.MEDIA_TYPE == MEDIA_TYPE


@pytest.mark.parametrize(
    ("problem", "status", "kind", "message"),
    [
        ({"error": "Newer", "detail": "so new", "attributes": {}}, 404, NotFound, "so new"),
        ({"error": "Newer", "detail": "so new", "attributes": {}}, 409, Conflict, "so new"),
        ({"error": "InternalError", "detail": "a bug"}, 500, OmniDaemonError, "a bug"),
        ({"error": "InvalidName", "detail": "bad", "attributes": {"other": 1}}, 422, InvalidInput, "bad"),
        (
            {"error": "TaskNotFound", "detail": "x", "attributes": {"task_id": "t", "more": 1}},
            404,
            TaskNotFound,
            "no task 't'",
        ),
        ({"error": "NotFound", "detail": "GET /x: Not Found"}, 404, BackendUnusable, "right URL"),
        ({}, 418, OmniDaemonError, "HTTP 418"),
        ({}, 499, OmniDaemonError, "HTTP 499"),
    ],
)
def test_what_is_not_known_here_keeps_its_message(problem, status, kind, message):
    """An error of another version, or of the server itself."""
    error = error_of(problem, status, "http://here")
    assert type(error) is kind
    assert message in str(error)
