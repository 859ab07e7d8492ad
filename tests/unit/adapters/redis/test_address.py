"""An address that redis-py would read otherwise than it was meant is refused before anything is connected."""

from __future__ import annotations

import pytest

from omnidaemon.adapters.redis.connection import RedisConnection
from omnidaemon.domain.errors import BackendUnavailable, BackendUnusable, InvalidSetting

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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"redis://me:word@{NOBODY}/0?sokcet_timeout=s3cret", "not 'sokcet_timeout'"),
        (f"redis://{NOBODY}/0?ssl_ca_certs=s3cret", "not 'ssl_ca_certs'"),
        (f"rediss://{NOBODY}?db=0&ssl_ca_cert=s3cret", "not 'ssl_ca_cert'"),
        ("unix:///no/socket?db=1&prot=s3cret", "not 'prot'"),
        (f"redis://{NOBODY}?db=s3cret", "expected a number as its option 'db'"),
        (f"redis://{NOBODY}?timeout=s3cret", "expected a number as its option 'timeout'"),
        (f"rediss://{NOBODY}?ssl_include_verify_flags=s3cret", "another value as its option 'ssl_include_verify_"),
    ],
)
async def test_an_option_that_is_wrong_is_named(url, expected):
    """Before anything is connected; what stands behind the question mark is not shown beyond its name."""
    with pytest.raises(InvalidSetting) as caught:
        await RedisConnection(url).open()
    assert str(caught.value).startswith("REDIS_URL='")
    assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://[::1", "http://x?y=1", f"redis://{NOBODY}?max_connections=-1"])
async def test_whatever_else_is_no_address_is_told_as_such(url):
    """By an example of one that is."""
    with pytest.raises(BackendUnusable, match="no address of a Redis server; such as redis://"):
        await RedisConnection(url).open()
