"""Work inside of a command of Redis is seen: a whole collection, a range, also where a script reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import redis

from tests.growth.walking import walked
from tests.servers.redis_servers import PrivateRedis, binary

MEMBERS = {f"m{number:02}": number for number in range(30)}


@pytest.fixture
def client(tmp_path) -> Iterator[redis.Redis]:
    """A server of this test's own, with a collection of each kind."""
    server = PrivateRedis(binary(), tmp_path)
    server.start()
    try:
        with contextlib.closing(redis.Redis.from_url(server.url)) as client:
            client.sadd("omni:{omni}:set:x", *MEMBERS)
            client.hset("omni:{omni}:hash:x", items=[word for pair in MEMBERS.items() for word in pair])
            client.zadd("omni:{omni}:sorted:x", MEMBERS)
            client.rpush("omni:{omni}:list:x", *MEMBERS)
            for member in MEMBERS:
                client.xadd("omni:{omni}:stream", {"e": member})
            yield client
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("command", "elements"),
    [
        ("SMEMBERS set:x", 30),
        ("HGETALL hash:x", 30),
        ("HKEYS hash:x", 30),
        ("HGET hash:x m01", 0),
        ("ZRANGE sorted:x 0 -1", 30),
        ("ZRANGE sorted:x 5 9", 5),
        ("ZRANGE sorted:x - + BYLEX", 30),
        ("ZRANGEBYSCORE sorted:x (9 +inf", 20),
        ("ZRANGEBYSCORE sorted:x -inf +inf LIMIT 5 10", 15),
        ("ZREVRANGEBYSCORE sorted:x 9 -inf WITHSCORES LIMIT 0 100", 10),
        ("LRANGE list:x 0 -1", 30),
        ("LRANGE list:x 0 4", 5),
        ("XRANGE stream - +", 30),
        ("XRANGE stream - + COUNT 7", 7),
        ("XRANGE stream 1-0 1-0", 1),
    ],
)
async def test_elements_are_counted(client, command, elements):
    """As many as the command goes through, whether it is sent or called by a script."""
    name, key, *words = command.split()

    async def sent() -> None:
        client.execute_command(name, f"omni:{{omni}}:{key}", *words)

    async def called() -> None:
        client.eval("return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))", 1, f"omni:{{omni}}:{key}", name, *words)

    for operation in (sent, called):
        seen = await walked(client, operation)
        assert seen.total() == elements, seen


async def test_a_command_that_is_not_known_is_an_error(client):
    """Whoever uses it says what it goes through."""

    async def operation() -> None:
        client.keys("*")

    with pytest.raises(AssertionError, match="what does keys go through"):
        await walked(client, operation)
