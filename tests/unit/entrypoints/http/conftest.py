"""The API over memory adapters, called without a socket."""

from __future__ import annotations

import contextlib

import httpx
import pytest

from omnidaemon import DeliveryPolicy, OmniDaemonSDK, load_settings
from omnidaemon.api import create_app

READER, PUBLISHER = "r" * 40, "p" * 40
OPERATOR = "o" * 40
KEYS = f"reader:read:{READER}, publisher:publish+read:{PUBLISHER}, {OPERATOR}"


def made_sdk(**settings):
    """An SDK in memory with an agent that greets and one that fails."""
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory", **settings}, environ={}))

    @sdk.agent("greet.user", description="Greets people", tools=["wave"])
    async def greeter(payload):
        return {"reply": f"Hello, {payload}!"}

    @sdk.agent("fails", policy=DeliveryPolicy(max_attempts=2, backoff=0.0))
    async def failing(payload):
        raise ValueError("no good")

    return sdk


def caller(app, **options):
    """Calls the app as if through `http://localhost`."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", **options)


@contextlib.asynccontextmanager
async def calling(sdk, **options):
    """The API of an SDK that only answers, until its adapters are closed."""
    try:
        async with caller(create_app(sdk), **options) as api:
            yield api
    finally:
        await sdk.close()


@pytest.fixture
async def sdk():
    """One whose agents run."""
    async with made_sdk() as running:
        yield running


@pytest.fixture
async def api(sdk):
    """Its API."""
    async with caller(create_app(sdk)) as client:
        yield client


@pytest.fixture
async def guarded():
    """The API of one that wants keys; its agents do not run."""
    async with calling(made_sdk(api_keys=KEYS, payload_max_bytes=1000)) as client:
        yield client


def problem(response, status, name):
    """The problem that it is; fails unless it is of this status and name, and complete."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert set(told) == {"type", "title", "status", "detail", "error", "attributes", "errors"}
    assert (told["status"], told["error"], told["type"]) == (status, name, f"urn:omnidaemon:error:{name}")
    assert told["detail"]
    assert told["title"]
    return told
