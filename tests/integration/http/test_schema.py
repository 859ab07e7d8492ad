"""The OpenAPI document is true: schemathesis sends what it allows and what it does not, to a server on SQLite.

By default a few requests per operation; `make schemathesis` sends thousands.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.api import create_app
from omnidaemon.entrypoints.http.background import served_in_background
from omnidaemon.entrypoints.http.binding import listen

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra `dev`: make setup")

CASES = int(os.environ.get("OMNIDAEMON_TEST_API_CASES", "200"))

document = create_app(OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}, environ={}))).openapi()
OPERATIONS = sum(len(methods) for methods in document["paths"].values()) - 1
# Its answer has no end; test_streams.py holds what there is to say of it.
schema = schemathesis.openapi.from_dict(document).exclude(path="/events")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server without agents, so that what is drained or removed is missed by nobody."""
    folder = tmp_path_factory.mktemp("api")
    sdk = OmniDaemonSDK(settings=load_settings({"data_dir": folder}, directory=folder, environ={}))
    listener = listen("127.0.0.1", 0, has_keys=False)
    with served_in_background(sdk, listener):
        yield listener.url


@schema.parametrize()
@hypothesis.settings(
    max_examples=max(1, CASES // OPERATIONS),
    deadline=None,
    derandomize=CASES <= 1000,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_answers_are_as_promised(case, url):
    """No 5xx, no status, header or body that the document does not tell; what it forbids is refused."""
    body = case.body if isinstance(case.body, dict) else {}
    # Two different keys are refused, which a schema cannot tell.
    hypothesis.assume(not ("idempotency_key" in body and "Idempotency-Key" in (case.headers or {})))
    hypothesis.assume(_is_carried(body.get("payload")))
    case.call_and_validate(base_url=url)


def _is_carried(value):
    """Whether it is a payload: whole numbers beyond 64 bits are refused, which a schema for any JSON cannot tell."""
    if isinstance(value, dict):
        return all(map(_is_carried, value.values()))
    if isinstance(value, list):
        return all(map(_is_carried, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**64
