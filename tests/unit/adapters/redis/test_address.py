"""An address that redis-py would read otherwise than it was meant is refused before anything is connected."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.domain.errors import BackendUnavailable, InvalidSetting

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize("path", ["x", "0x", "-1", "1/2", "%78"])
async def test_a_database_that_is_no_number_is_refused(path):
    """Instead of being database 0; the error says so of the setting, without its password."""
    with pytest.raises(InvalidSetting, match=r"expected the number of a database") as caught:
        await RedisConnection(f"redis://me:word@{NOBODY}/{path}").open()
    assert str(caught.value).startswith(f"REDIS_URL='redis://{NOBODY}/{path}': expected ")


@pytest.mark.parametrize(
    "url",
    [f"redis://{NOBODY}", f"redis://{NOBODY}/", f"redis://{NOBODY}/15", f"redis://{NOBODY}/1/", "unix:///no/socket"],
)
async def test_an_address_that_can_be_one_is_tried(url):
    """A socket's path is no database."""
    with pytest.raises(BackendUnavailable):
        await RedisConnection(url).open()
