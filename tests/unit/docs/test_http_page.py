"""The page on the HTTP API, against the API."""

from __future__ import annotations

from tests.unit.docs.http_page import MARK, PAGE, document, rendered


def test_page_lists_every_route():
    """The list is the one that the OpenAPI document gives; `python -m tests.unit.docs.http_page` brings it up to
    date."""
    _, _, told = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert told.strip() == rendered().strip()


def test_every_operation_says_what_it_does():
    """With an id of its own, an example or two, and a description of each parameter."""
    ids = []
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["description"], path
            assert operation["tags"], path
            assert all(parameter.get("description") for parameter in operation.get("parameters", ())), path
            assert {"401", "403", "422", "503"} <= set(operation["responses"]), path
    assert len(ids) == len(set(ids))
