"""A client of the API, over the server's application itself: no socket between the two."""

from __future__ import annotations

import httpx
import pytest

from omnidaemon import OmniDaemonSDK
from omnidaemon.bootstrap.api_address import ApiAddress
from omnidaemon.bootstrap.settings import load_settings
from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http_client.client import HttpClient
from omnidaemon.entrypoints.http_client.connection import ApiConnection

URL = "http://127.0.0.1:8765"


def connected(handler) -> ApiConnection:
    """A connection to what answers as this function does."""
    return ApiConnection(ApiAddress(url=URL, origin="the test"), httpx.MockTransport(handler))


@pytest.fixture
async def sdk():
    """An SDK in memory, with an agent that runs."""
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory"}))

    @sdk.agent("greet", description="Says hello", tools=["wave"])
    async def greeter(payload):
        return {"hello": payload}

    async with sdk:
        yield sdk


@pytest.fixture
async def client(sdk):
    """Its calls are carried out by the SDK's API."""
    connection = ApiConnection(ApiAddress(url=URL), httpx.ASGITransport(create_app(sdk)))
    client = HttpClient(connection)
    yield client
    await client.close()
