"""HEAD, by which load balancers probe."""

from __future__ import annotations

import fastapi
import pytest

from omnidaemon.api import create_app
from tests.unit.entrypoints.http.conftest import READER, caller, made_sdk


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/readyz", "/agents", "/tasks/unknown", "/nowhere"])
async def test_head_is_get_without_the_body(api, path):
    """The same status and headers, whatever is answered."""
    whole, head = await api.get(path), await api.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers == whole.headers
    assert int(head.headers["content-length"]) == len(whole.content) > 0


@pytest.mark.parametrize("path", ["/events", "/tasks/unknown/events"])
async def test_a_stream_has_no_head(api, path):
    """It would be opened, and never end."""
    response = await api.head(path)
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


async def test_what_is_only_posted_to_has_no_head(api):
    """It is not carried out, either."""
    response = await api.head("/agents/stop")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await api.delete("/health")).headers["allow"] == "GET, HEAD"


async def test_a_key_is_wanted_as_for_get(guarded):
    """Only the probes need none."""
    assert (await guarded.head("/health")).status_code == 401
    assert (await guarded.head("/health", headers={"Authorization": f"Bearer {READER}"})).status_code == 200
    assert (await guarded.head("/livez")).status_code == 200


async def test_under_a_prefix():
    """Of an application that the API is mounted in."""
    sdk = made_sdk()
    outer = fastapi.FastAPI()
    outer.mount("/daemon", create_app(sdk))
    async with caller(outer) as client:
        assert (await client.head("/daemon/livez")).status_code == 200
        assert (await client.head("/daemon/events")).status_code == 405
    await sdk.close()
