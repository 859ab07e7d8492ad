"""What is told through the API of a task that was published."""

from __future__ import annotations

import httpx
import pytest

from omnidaemon import OmniDaemonSDK, load_settings
from omnidaemon.bootstrap.api_address import ApiAddress
from omnidaemon.domain.secret import Secret
from omnidaemon.domain.states import Status
from omnidaemon.entrypoints.http.app import create_app
from omnidaemon.entrypoints.http.request_errors import InsufficientScope
from omnidaemon.entrypoints.http_client.client import HttpClient
from omnidaemon.entrypoints.http_client.connection import ApiConnection
from tests.unit.entrypoints.http_client.conftest import URL

KEY = "p" * 40


async def test_a_key_that_may_only_publish_suffices():
    """Nothing has to be read: the receipt says whether the task is new, and how a known one stands."""
    sdk = OmniDaemonSDK(settings=load_settings({"event_bus_type": "memory", "api_keys": f"poster:publish:{KEY}"}))
    connection = ApiConnection(ApiAddress(url=URL, key=Secret(KEY)), httpx.ASGITransport(create_app(sdk)))
    client = HttpClient(connection)
    try:
        first = await client.publish_with_receipt("greet", 1, idempotency_key="k")
        assert (first.status, first.known_since) == (Status.QUEUED, None)
        await sdk.cancel_task(first.task_id)
        again = await client.publish_with_receipt("greet", 1, idempotency_key="k")
        stored = await sdk.get_result(first.task_id)
        assert stored is not None
        assert (again.task_id, again.status) == (first.task_id, Status.CANCELLED)
        assert again.known_since == stored.created_at
        assert again == await sdk.publish_with_receipt("greet", 1, idempotency_key="k")
        with pytest.raises(InsufficientScope):
            await client.get_result(first.task_id)
    finally:
        await client.close()
        await sdk.close()
